//! Fields that several requests share, checked.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use uuid::Uuid;

use crate::{
    analytics::Analytics,
    domain::{
        account::{AccountKey, Address, AddressError, Network},
        asset::Asset,
        direction::Direction,
        user::parse_user_uuid,
        window::{self, Window},
    },
    error::Error,
    grpc::{pb::v1, violations::Violations},
};

/// What a client is told about a user UUID that is none.
pub const UUID_HINT: &str = "must be a UUID, for example 67e55044-10b1-426f-9247-bb680e5fe0c8";

/// What a client is told about a network that is none.
pub const NETWORK_HINT: &str = "must be 1 to 64 lower-case letters, digits or hyphens";

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

/// An instant as the API writes it.
#[must_use]
pub fn timestamp(at: DateTime<Utc>) -> Timestamp {
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap_or(0);
    Timestamp { seconds: at.timestamp(), nanos }
}
