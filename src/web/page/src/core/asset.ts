// Codes of assets: `USD`, or a token's network and contract, too long to stand by a number.

const TOKEN = /^(ethereum|evm-\d+):(0x[0-9a-f]{40})$/;

/** The token that a code stands for; undefined for any other asset. */
export function tokenOf(code: string): { network: string; contract: string } | undefined {
  const [, network, contract] = TOKEN.exec(code) ?? [];
  return network && contract ? { network, contract } : undefined;
}

/** A code as it stands by a number. */
export function shortAsset(code: string): string {
  const token = tokenOf(code);
  return token ? `${token.contract.slice(0, 6)}…${token.contract.slice(-4)}` : code;
}
