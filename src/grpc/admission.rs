//! Who may come in: the one check that every request passes, whatever its kind.

use std::sync::Arc;

use http::{HeaderMap, Request, header::AUTHORIZATION};
use tonic::Status;

use crate::{
    access::Authenticator,
    config::ServerSettings,
    domain::access::{Identity, Principal, Token, TokenHash, certificate_name_hash},
    error::{Error, ErrorKind},
    grpc::{
        accept::Peer,
        policy::policy_of,
        rates::Rates,
        status::to_status,
        turns::{Turn, Turns},
    },
    telemetry::metrics::{Refused, refused},
};

/// What a client says before its token (RFC 6750, section 2.1), in any case.
const SCHEME: &str = "bearer";

/// Lets requests in, or refuses them.
#[derive(Clone)]
pub struct Gate {
    authenticator: Option<Authenticator>,
    rates: Arc<Rates>,
    turns: Turns,
}

impl Gate {
    /// A gate where this one tells who asks; without one everybody is let in as the local admin.
    /// The settings say how often.
    #[must_use]
    pub fn new(authenticator: Option<Authenticator>, settings: &ServerSettings) -> Self {
        let turns = Turns::new(settings.token_concurrency_max);
        Self { authenticator, rates: Arc::new(Rates::new(settings)), turns }
    }

    /// Whether callers must show a token.
    #[must_use]
    pub fn asks_for_tokens(&self) -> bool {
        self.authenticator.is_some()
    }

    /// What tells who asks, where callers must show a token.
    #[must_use]
    pub fn authenticator(&self) -> Option<Authenticator> {
        self.authenticator.clone()
    }

    /// Who asks, if they may ask this; the request carries it along.
    ///
    /// # Errors
    /// `TooOften` beyond the limits of an address or a token, of calls a second or at once;
    /// `Unauthenticated` without a token in force, whatever is wrong with it;
    /// `Unimplemented` for what is no rpc; `PermissionDenied` for a role that may not; what
    /// the database says.
    pub(super) async fn admit<B>(&self, request: &mut Request<B>) -> Result<Admitted, Error> {
        let peer = request.extensions().get::<Peer>();
        let address = peer.map(|peer| peer.address);
        let names = peer.map_or_else(Arc::default, |peer| Arc::clone(&peer.names));
        self.rates.count_address(address)?;
        let (mut identity, pass) = match &self.authenticator {
            Some(authenticator) => {
                let count = || self.rates.count_look_up(address);
                let found = identify(authenticator, request.headers(), &names, count).await;
                if let Err(error) = &found
                    && matches!(error.kind(), ErrorKind::Unauthenticated)
                {
                    authenticator.count_refusal(address);
                    refused(Refused::Unauthenticated);
                }
                let (identity, hash) = found?;
                (identity, Pass(Some((authenticator.clone(), hash))))
            }
            None => (Identity::local(), Pass(None)),
        };
        identity.peer = address;
        let turn = match identity.principal {
            Principal::Token { token_id, .. } => {
                // In this order: who is refused for the one does not use up the other.
                let turn = self.turns.take(token_id)?;
                self.rates.count_token(token_id)?;
                turn
            }
            Principal::Local => None,
        };
        let Some(policy) = policy_of(request.uri().path()) else {
            return Err(Error::new(ErrorKind::Unimplemented("this method")));
        };
        if !policy.allows(identity.role) {
            refused(Refused::PermissionDenied);
            return Err(Error::new(ErrorKind::PermissionDenied));
        }
        // A secret goes no further than here.
        request.headers_mut().remove(AUTHORIZATION);
        request.extensions_mut().insert(identity.clone());
        request.extensions_mut().insert(pass);
        Ok(Admitted { identity, _turn: turn })
    }
}

/// Somebody who was let in.
pub(super) struct Admitted {
    /// Who.
    pub(super) identity: Identity,
    _turn: Option<Turn>,
}

/// What somebody was let in by, for calls that last: it may be taken away meanwhile.
#[derive(Clone)]
pub(super) struct Pass(Option<(Authenticator, TokenHash)>);

impl Pass {
    /// Looks again whether it is in force.
    ///
    /// # Errors
    /// `Unauthenticated` if it is not any more; what the database says.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let Some((authenticator, hash)) = &self.0 else { return Ok(()) };
        let identity = authenticator.identify(*hash, || Ok(())).await?;
        identity.map(drop).ok_or_else(|| Error::new(ErrorKind::Unauthenticated))
    }
}

/// What a request that lasts was let in by.
///
/// # Errors
/// UNAUTHENTICATED for a request that passed no gate.
pub(super) fn pass<T>(request: &tonic::Request<T>) -> Result<Pass, Error> {
    let pass = request.extensions().get::<Pass>().cloned();
    pass.ok_or_else(|| Error::new(ErrorKind::Unauthenticated))
}

/// Who asks, as the gate found out.
///
/// # Errors
/// UNAUTHENTICATED for a request that passed no gate.
pub(super) fn identity<T>(request: &tonic::Request<T>) -> Result<Identity, Status> {
    let identity = request.extensions().get::<Identity>().cloned();
    identity.ok_or_else(|| to_status(Error::new(ErrorKind::Unauthenticated)))
}

/// Who asks: whoever a token says, and without one whoever the first name says that somebody is
/// known by.
async fn identify(
    authenticator: &Authenticator,
    headers: &HeaderMap,
    names: &[String],
    count: impl Fn() -> Result<(), Error>,
) -> Result<(Identity, TokenHash), Error> {
    let unauthenticated = || Error::new(ErrorKind::Unauthenticated);
    if !headers.contains_key(AUTHORIZATION) {
        for name in names {
            let hash = certificate_name_hash(name);
            if let Some(identity) = authenticator.identify(hash, &count).await? {
                return Ok((identity, hash));
            }
        }
    }
    let token = token(headers).ok_or_else(unauthenticated)?;
    let hash = token.hash();
    let identity = authenticator.identify(hash, count).await?.ok_or_else(unauthenticated)?;
    Ok((identity, hash))
}

/// The one token that a request brings.
fn token(headers: &HeaderMap) -> Option<Token> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, text) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    Token::parse(text.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).expect("a header"));
        }
        headers
    }

    #[test]
    fn one_token_is_read_and_nothing_else() {
        let known = Token::new([7; 32]);
        let text = known.to_text();
        for right in ["Bearer ", "bearer ", "BEARER  "] {
            let headers = with(&[&format!("{right}{text}")]);
            assert_eq!(token(&headers).as_ref(), Some(&known), "{right}");
        }
        let bearer = format!("Bearer {text}");
        let wrong = [
            vec![],
            vec![text.clone()],
            vec!["Bearer".to_owned()],
            vec!["Bearer ".to_owned()],
            vec![format!("Basic {text}")],
            vec![format!("Bearer{text}")],
            vec![format!("Bearer {text} {text}")],
            vec![format!("Bearer {text},{text}")],
            vec![bearer.clone(), bearer],
        ];
        for wrong in wrong {
            let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
            assert_eq!(token(&with(&wrong)), None, "{wrong:?}");
        }
    }
}
