use std::collections::BTreeSet;

use num_bigint::BigInt;
use proptest::prelude::*;

use super::*;
use crate::domain::{account::Network, decimal::Decimal};

fn regtest() -> Network {
    Network::parse("bitcoin-regtest").expect("a network")
}

fn txid() -> Txid {
    Txid::parse(&"ab".repeat(32)).expect("a hash")
}

/// A script that pays to one of many witness programs.
fn program(number: u8) -> Vec<u8> {
    [&[0, 20][..], &[number; 20]].concat()
}

fn coin(script: &[u8], value: u64) -> Coin {
    let value = Satoshis::new(value).expect("an amount");
    Coin { owner: Owner::of_script(&regtest(), script), value }
}

/// Sender, receiver and amount of each row.
fn told(transaction: &BitcoinTransaction) -> Vec<String> {
    let row = |row: &ValueTransfer| {
        let (sender, receiver) = (row.sender.address(), row.receiver.address());
        format!("{sender} > {receiver} {}", row.amount.to_text(DECIMALS))
    };
    transaction.rows().iter().map(row).collect()
}

fn named(number: u8) -> String {
    Owner::of_script(&regtest(), &program(number)).address()
}

#[test]
fn several_inputs_of_one_address_are_one_row() {
    let spent = vec![coin(&program(1), 700), coin(&program(2), 50), coin(&program(1), 300)];
    let created = vec![coin(&program(3), 900), coin(&program(1), 100)];
    let transaction = BitcoinTransaction::new(txid(), spent, created, Some(50)).expect("one");
    let [one, two, three] = [1, 2, 3].map(named);
    let expected = BTreeSet::from([
        format!("{one} > hub 0.00000900"),
        format!("{two} > hub 0.00000050"),
        format!("hub > {three} 0.00000900"),
        "hub > fees 0.00000050".to_owned(),
    ]);
    assert_eq!(BTreeSet::from_iter(told(&transaction)), expected);
}

#[test]
fn a_self_transfer_costs_its_fee_and_nothing_else() {
    let (spent, created) = (vec![coin(&program(1), 1_000)], vec![coin(&program(1), 990)]);
    let transaction = BitcoinTransaction::new(txid(), spent, created, None).expect("one");
    let expected = [format!("{} > hub 0.00000010", named(1)), "hub > fees 0.00000010".to_owned()];
    assert_eq!(told(&transaction), expected);
}

#[test]
fn who_got_what_they_put_in_has_no_row_and_took_part() {
    let spent = vec![coin(&program(1), 500), coin(&program(2), 10)];
    let created = vec![coin(&program(1), 500), coin(&[0x6a, 1, 7], 0)];
    let transaction = BitcoinTransaction::new(txid(), spent, created, Some(10)).expect("one");
    let rows = told(&transaction);
    let expected = [format!("{} > hub 0.00000010", named(2)), "hub > fees 0.00000010".to_owned()];
    assert_eq!(rows, expected);
    assert!(transaction.involves(&Owner::of_script(&regtest(), &program(1))));
    assert!(!transaction.involves(&Owner::of_script(&regtest(), &program(3))));
}

#[test]
fn a_coinbase_brings_new_coins_and_its_data_has_no_row() {
    let commitment = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed][..], &[9; 32]].concat();
    let created = vec![coin(&program(1), 5_000_000_000), coin(&commitment, 0)];
    let transaction = BitcoinTransaction::coinbase(txid(), created).expect("one");
    let expected =
        ["coinbase > hub 50.00000000".to_owned(), format!("hub > {} 50.00000000", named(1))];
    assert_eq!(told(&transaction), expected);
    assert!(transaction.is_coinbase());
}

#[test]
fn outputs_without_address_belong_to_their_scripts() {
    let public_key = [&[33, 2][..], &[7; 32], &[0xac]].concat();
    let data = [0x6a, 2, 1, 2];
    let created = vec![coin(&public_key, 40), coin(&data, 2)];
    let transaction = BitcoinTransaction::new(txid(), vec![coin(&program(1), 50)], created, None);
    let rows = told(&transaction.expect("one"));
    // SHA-256 of the four bytes, by sha256sum.
    let of_data = "script:1eaa02b1a5dbd1a132369e0c07eb3caa328cc38f1260ca2c6dd138f8cf2761a6";
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row.contains("hub > script:")).count(), 2, "{rows:?}");
    assert_eq!(Owner::of_script(&regtest(), &data).address(), of_data);
}

#[test]
fn what_contradicts_itself_is_no_transaction() {
    let new = |spent: &[u64], created: &[u64], fee| {
        let coins = |values: &[u64]| values.iter().map(|&value| coin(&program(1), value)).collect();
        BitcoinTransaction::new(txid(), coins(spent), coins(created), fee).map(|_| ())
    };
    assert_eq!(new(&[5], &[6], None), Err(TransactionFault::Unfunded));
    assert_eq!(new(&[5], &[3], Some(1)), Err(TransactionFault::Fee));
    assert_eq!(new(&[], &[], None), Err(TransactionFault::Inputs));
    assert_eq!(new(&[SATOSHIS_MAX, 1], &[1], None), Err(TransactionFault::TooMuch));
    assert_eq!(new(&[SATOSHIS_MAX], &[1], None), Ok(()));
    assert_eq!(Satoshis::new(SATOSHIS_MAX + 1), None);
}

#[test]
fn hashes_are_64_digits_in_lower_case() {
    let text = "00".repeat(31) + "Ff";
    assert_eq!(Txid::parse(&text).map(|hash| hash.to_string()), Some(text.to_lowercase()));
    for text in ["", "00", &"0".repeat(63), &"0".repeat(66), &"0g".repeat(32)] {
        assert_eq!(BlockHash::parse(text), None, "{text}");
    }
}

/// What another implementation makes of a script.
fn theirs(script: &[u8], network: bitcoin::Network) -> Option<String> {
    let script = bitcoin::Script::from_bytes(script);
    bitcoin::Address::from_script(script, network).ok().map(|address| address.to_string())
}

fn script() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |length| prop::collection::vec(any::<u8>(), length);
    prop_oneof![
        bytes(20).prop_map(|hash| [&[0x76, 0xa9, 20][..], &hash, &[0x88, 0xac]].concat()),
        bytes(20).prop_map(|hash| [&[0xa9, 20][..], &hash, &[0x87]].concat()),
        (0..=17_u8, prop::collection::vec(any::<u8>(), 0..45)).prop_map(|(version, program)| {
            let length = u8::try_from(program.len()).expect("short");
            let version = if version == 0 { 0 } else { 0x50 + version };
            [&[version, length][..], &program].concat()
        }),
        Just([&[0, 20][..], &[3; 20]].concat()),
        Just([&[0x51, 32][..], &[3; 32]].concat()),
        bytes(32).prop_map(|key| [&[33, 2][..], &key, &[0xac]].concat()),
        prop::collection::vec(any::<u8>(), 0..50),
    ]
}

/// An amount of one of few owners, so that they meet.
fn coins() -> impl Strategy<Value = Vec<(u8, u64)>> {
    prop::collection::vec((0..6_u8, 0..50_u64), 1..12)
}

proptest! {
    #[test]
    fn addresses_are_those_of_another_implementation(script in script()) {
        for (name, network) in [
            ("bitcoin", bitcoin::Network::Bitcoin),
            ("bitcoin-signet", bitcoin::Network::Signet),
            ("bitcoin-regtest", bitcoin::Network::Regtest),
        ] {
            let own = Network::parse(name).expect("a network");
            let address = own.address_of_script(&script);
            let address = address.as_ref().map(|address| address.as_str().to_owned());
            prop_assert_eq!(&address, &theirs(&script, network));
            if let Owner::Address(address) = Owner::of_script(&own, &script) {
                let account = Owner::Address(address.clone()).account(&own);
                prop_assert_eq!(account.map(|account| account.address().clone()), Ok(address));
            }
        }
    }

    #[test]
    fn rows_are_what_each_one_has_more_or_less(spent in coins(), created in coins()) {
        // Numbers 4 and 5 have no address.
        let script = |number: u8| if number < 4 { program(number) } else { vec![0x6a, 1, number] };
        let make = |coins: &[(u8, u64)]| -> Vec<Coin> {
            coins.iter().map(|&(number, value)| coin(&script(number), value)).collect()
        };
        let sum = |coins: &[(u8, u64)]| coins.iter().map(|coin| coin.1).sum::<u64>();
        let (taken, paid) = (sum(&spent), sum(&created));
        let made = BitcoinTransaction::new(txid(), make(&spent), make(&created), None);
        let Ok(transaction) = made else {
            prop_assert!(paid > taken);
            return Ok(());
        };
        let rows = transaction.rows();
        let moved = |owner: &Owner| {
            let net = |row: &ValueTransfer| {
                let signed = |is: bool| if is { row.amount.clone() } else { Decimal::zero() };
                signed(row.receiver == *owner).minus(&signed(row.sender == *owner))
            };
            rows.iter().map(net).fold(Decimal::zero(), |sum, net| sum.plus(&net))
        };
        let amount = |satoshis: i64| Decimal::new(BigInt::from(satoshis), DECIMALS);
        let signed = |count: u64| i64::try_from(count).expect("small");
        prop_assert_eq!(moved(&Owner::Hub), Decimal::zero());
        prop_assert_eq!(moved(&Owner::Fees), amount(signed(taken) - signed(paid)));
        for number in 0..6 {
            let of = |coins: &[(u8, u64)]| {
                coins.iter().filter(|coin| coin.0 == number).map(|coin| signed(coin.1)).sum::<i64>()
            };
            let owner = Owner::of_script(&regtest(), &script(number));
            prop_assert_eq!(moved(&owner), amount(of(&created) - of(&spent)));
            let took_part = spent.iter().chain(&created).any(|coin| coin.0 == number);
            let count = rows.iter().filter(|row| row.sender == owner || row.receiver == owner);
            let net_is_zero = of(&created) == of(&spent);
            let expected = usize::from(!net_is_zero);
            prop_assert_eq!(count.count(), expected);
            prop_assert_eq!(transaction.involves(&owner), took_part);
        }
    }
}
