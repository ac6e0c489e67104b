// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// A token that anybody may move: tests decide what happens.
contract TestToken is ERC20("Test Token", "TEST") {
    /// Moves one amount after another, from anybody to anybody; from the zero address what did
    /// not exist, and to it what does not any more.
    function move(address[] calldata from, address[] calldata to, uint256[] calldata amount)
        external
    {
        for (uint256 i = 0; i < from.length; i++) {
            _update(from[i], to[i], amount[i]);
        }
    }

    /// Logs a move as ERC-721 does: the same first topic, and the thing in a fourth.
    function logNotFungible(address from, address to, uint256 thing) external {
        bytes32 topic = keccak256("Transfer(address,address,uint256)");
        assembly {
            log4(0, 0, topic, from, to, thing)
        }
    }

    /// Logs the topic of a transfer with two topics and too much data.
    function logMalformed(address from, address to) external {
        bytes32 topic = keccak256("Transfer(address,address,uint256)");
        assembly {
            mstore(0, to)
            log2(0, 64, topic, from)
        }
    }

    /// Logs something else.
    event Noise(uint256 indexed number);

    function makeNoise(uint256 number) external {
        emit Noise(number);
    }
}

/// A token as they were before the standard: texts in one word, no decimals.
contract OldToken {
    bytes32 public constant symbol = "OLD";
    bytes32 public constant name = "Old Token";
    uint256 public constant totalSupply = 7;
}

/// A token whose balances grow without an event.
contract RebasingToken is TestToken {
    function balanceOf(address holder) public view override returns (uint256) {
        return super.balanceOf(holder) * 3 / 2;
    }
}
