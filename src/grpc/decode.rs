//! Fields that several requests share, checked.

use chrono::{DateTime, TimeDelta, Utc};
use prost_types::Timestamp;
use uuid::Uuid;

use crate::{
    analytics::Analytics,
    domain::{
        account::{AccountKey, Address, AddressError, Network},
        asset::{Asset, AssetRecord},
        decimal::Decimal,
        direction::Direction,
        user::{User, is_plain, parse_user_uuid},
        window::{self, Window},
    },
    error::Error,
    grpc::{pb::v1, violations::Violations},
};

/// What a client is told about a user UUID that is none.
pub const UUID_HINT: &str = "must be a UUID, for example 67e55044-10b1-426f-9247-bb680e5fe0c8";

/// What a client is told about a username that is none.
pub const USERNAME_HINT: &str = "must be 1 to 128 characters, without control characters";

/// What a client is told about a username that cannot become one.
pub const NEW_USERNAME_HINT: &str = "must be 1 to 128 characters, without control characters, \
                                     spaces at its ends, or characters that cannot be seen";

/// What a client is told about a name that is none.
pub const NAME_HINT: &str = "must be up to 256 characters, without control characters, spaces at \
                             its ends, or characters that cannot be seen";

/// What a client is told about a network that is none.
pub const NETWORK_HINT: &str = "must be 1 to 64 lower-case letters, digits or hyphens";

/// Most rows in an answer to a request for a list.
pub const PAGE_SIZE_MAX: usize = 1_000;

/// Rows in an answer to a request for a list that does not say how many.
pub const PAGE_SIZE_DEFAULT: usize = 100;

/// Longest text of a decimal: longer ones are not read.
const DECIMAL_LENGTH_MAX: usize = 200;

/// Names of a window's fields in a request's own words.
#[derive(Clone, Copy, Debug)]
pub struct WindowFields {
    /// The window itself.
    pub window: &'static str,
    /// Its start.
    pub start: &'static str,
    /// Its end.
    pub end: &'static str,
}

const WINDOW_FIELDS: WindowFields =
    WindowFields { window: "window", start: "window.start", end: "window.end" };

/// Checks the field `window`.
pub fn window(given: Option<&v1::Window>, violations: &mut Violations) -> Option<Window> {
    let given = violations.require(given, "window", "must be set: it has a start and an end")?;
    let start = instant(given.start.as_ref(), "window.start", violations);
    let end = instant(given.end.as_ref(), "window.end", violations);
    span(start, end, WINDOW_FIELDS, violations)
}

/// Checks the field `window` of a question whose window may be so many days long; 0 is no limit.
pub fn window_of(
    days_max: u32,
    given: Option<&v1::Window>,
    violations: &mut Violations,
) -> Option<Window> {
    let window = window(given, violations);
    not_longer(days_max, window, WINDOW_FIELDS.end, violations)
}

/// Checks that a window, which ends with a field, is at most so many days long; 0 is no limit.
pub fn not_longer(
    days_max: u32,
    window: Option<Window>,
    field: &'static str,
    violations: &mut Violations,
) -> Option<Window> {
    let window = window?;
    let is_short =
        days_max == 0 || window.end() - window.start() <= TimeDelta::days(days_max.into());
    violations.require(
        is_short.then_some(window),
        field,
        format!("must be at most {days_max} days after the start: the server answers no more"),
    )
}

/// Checks the field `window` of a request that may leave it out.
pub fn window_or_none(
    given: Option<&v1::Window>,
    violations: &mut Violations,
) -> Option<Option<Window>> {
    match given {
        None => Some(None),
        given => window(given, violations).map(Some),
    }
}

/// Checks that a start lies before its end.
pub fn span(
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
    fields: WindowFields,
    violations: &mut Violations,
) -> Option<Window> {
    let (start, end) = (start?, end?);
    violations.require(
        Window::new(start, end),
        fields.end,
        format!("must be later than {}: the end lies outside the window", fields.start),
    )
}

/// Checks an instant that is required.
pub fn instant(
    given: Option<&Timestamp>,
    field: &'static str,
    violations: &mut Violations,
) -> Option<DateTime<Utc>> {
    let given = violations.require(given, field, "must be set")?;
    window::instant(given.seconds, given.nanos)
        .map_err(|error| violations.add(field, error.to_string()))
        .ok()
}

/// Checks a decimal that is required; `hint` says what it must be.
pub fn decimal(
    given: &str,
    field: &'static str,
    hint: fn() -> String,
    violations: &mut Violations,
) -> Option<Decimal> {
    let number = Some(given).filter(|text| text.len() <= DECIMAL_LENGTH_MAX);
    let number = number.and_then(Decimal::parse);
    if number.is_none() {
        violations.add(field, hint());
    }
    number
}

/// Checks a text that is short and plain, as the predicate has it.
pub fn plain<'t>(
    given: &'t str,
    is_right: fn(&str) -> bool,
    field: &'static str,
    hint: &'static str,
    violations: &mut Violations,
) -> Option<&'t str> {
    violations.require(is_right(given).then_some(given), field, hint)
}

/// Checks the beginning or a part of texts that have so many characters at most.
pub fn prefix<'t>(
    given: &'t str,
    length_max: usize,
    field: &'static str,
    violations: &mut Violations,
) -> Option<&'t str> {
    let is_right = is_plain(given, length_max);
    let hint = format!("must be up to {length_max} characters, without control characters");
    violations.require(is_right.then_some(given), field, hint)
}

/// Checks the field `account` where it must be set.
pub fn required_account(
    given: Option<&v1::AccountKey>,
    violations: &mut Violations,
) -> Option<AccountKey> {
    let hint = "must be set: it has a network and an address";
    account(violations.require(given, "account", hint)?, violations)
}

/// Checks the field `direction`.
pub fn direction(given: i32, violations: &mut Violations) -> Option<Direction> {
    let direction = match v1::Direction::try_from(given) {
        Ok(v1::Direction::Sender) => Some(Direction::Sender),
        Ok(v1::Direction::Receiver) => Some(Direction::Receiver),
        Ok(v1::Direction::Unspecified) | Err(_) => None,
    };
    violations.require(
        direction,
        "direction",
        "must be DIRECTION_SENDER (1) or DIRECTION_RECEIVER (2)",
    )
}

/// Checks a user's UUID.
pub fn user_uuid(given: &str, field: &'static str, violations: &mut Violations) -> Option<Uuid> {
    violations.require(parse_user_uuid(given), field, UUID_HINT)
}

/// Names of an account's fields in a request's own words.
#[derive(Clone, Copy, Debug)]
pub struct AccountFields {
    /// Its network.
    pub network: &'static str,
    /// Its address.
    pub address: &'static str,
}

const ACCOUNT_FIELDS: AccountFields =
    AccountFields { network: "account.network", address: "account.address" };

/// Checks the network and the address of an account, and finds the one way to write it.
pub fn account_parts(
    network: &str,
    address: &str,
    fields: AccountFields,
    violations: &mut Violations,
) -> Option<AccountKey> {
    let network = violations.require(Network::parse(network), fields.network, NETWORK_HINT);
    self::address(network.as_ref(), address, fields.address, violations)
}

/// Checks an address on a network, as far as it can be checked where the network is wrong.
pub fn address(
    network: Option<&Network>,
    given: &str,
    field: &'static str,
    violations: &mut Violations,
) -> Option<AccountKey> {
    let checked = match network {
        Some(network) => AccountKey::on(network, given).map(Some),
        None => Address::parse(given).map(|_| None).ok_or(AddressError::Text),
    };
    checked.map_err(|error| violations.add(field, error.to_string())).ok().flatten()
}

/// Checks the field `account`.
pub fn account(given: &v1::AccountKey, violations: &mut Violations) -> Option<AccountKey> {
    account_parts(&given.network, &given.address, ACCOUNT_FIELDS, violations)
}

/// Checks the field `asset`; an empty code is the seeded asset.
///
/// # Errors
/// If the assets cannot be asked for and nothing else is wrong with the request.
pub async fn asset(
    analytics: &Analytics,
    code: &str,
    violations: &mut Violations,
) -> Result<Option<Asset>, Error> {
    let is_code = code.chars().count() <= 64 && !code.chars().any(char::is_control);
    let found = match is_code {
        true => match analytics.find_asset(code).await {
            // What is known to be wrong is told even while the database is away.
            Err(_) if violations.has_any() => return Ok(None),
            outcome => outcome?,
        },
        false => None,
    };
    Ok(violations.require(found, "asset", "must be the code of a recorded asset, or empty"))
}

/// Checks the field `page_size`: 0 means `default`.
pub fn page_size(
    given: i32,
    default: usize,
    max: usize,
    violations: &mut Violations,
) -> Option<usize> {
    let size = match usize::try_from(given) {
        Ok(0) => Some(default),
        Ok(size) if size <= max => Some(size),
        Ok(_) | Err(_) => None,
    };
    violations.require(size, "page_size", format!("must be 1 to {max}, or 0 for {default}"))
}

/// Checks the field `page_size` of a request for a list.
pub fn list_size(given: i32, violations: &mut Violations) -> Option<usize> {
    page_size(given, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, violations)
}

/// A user as the API writes it.
#[must_use]
pub fn user_pb(user: User) -> v1::User {
    v1::User {
        user_uuid: user.user_uuid.to_string(),
        username: user.username,
        name: user.name,
        created_at: Some(timestamp(user.created_at)),
    }
}

/// An account as the API writes it.
#[must_use]
pub fn account_pb(account: &AccountKey) -> v1::AccountKey {
    v1::AccountKey {
        network: account.network().as_str().to_owned(),
        address: account.address().as_str().to_owned(),
    }
}

/// An asset as the API writes it.
#[must_use]
pub fn asset_pb(asset: AssetRecord) -> v1::Asset {
    v1::Asset {
        code: asset.code,
        name: asset.name,
        decimals: i32::try_from(asset.decimals).unwrap_or(i32::MAX),
        created_at: Some(timestamp(asset.created_at)),
    }
}

/// A window as the API writes it.
#[must_use]
pub fn window_pb(window: Window) -> v1::Window {
    v1::Window { start: Some(timestamp(window.start())), end: Some(timestamp(window.end())) }
}

/// A direction as the API writes it.
#[must_use]
pub fn direction_pb(direction: Direction) -> i32 {
    match direction {
        Direction::Sender => v1::Direction::Sender.into(),
        Direction::Receiver => v1::Direction::Receiver.into(),
    }
}

/// A count as the API writes it.
#[must_use]
pub fn count_pb(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// An instant as the API writes it.
#[must_use]
pub fn timestamp(at: DateTime<Utc>) -> Timestamp {
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap_or(0);
    Timestamp { seconds: at.timestamp(), nanos }
}
