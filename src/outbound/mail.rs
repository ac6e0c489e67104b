//! Mail, handed to an SMTP server.

use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};
use reqwest::Url;

use crate::outbound::{Failure, OutboundError, SEND_TIMEOUT, addresses::is_this_machine};

/// Answers that say that a mailbox is not there, or takes no mail (RFC 5321, section 4.2.3).
const REFUSED: [u16; 5] = [550, 551, 552, 553, 554];

/// Sends mail.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// A mail to send.
#[derive(Clone, Debug)]
pub struct Mail<'a> {
    /// The mailbox.
    pub to: &'a str,
    /// What makes it one mail however often it is sent: the left half of its Message-ID.
    pub id: String,
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub body: String,
}

impl Mailer {
    /// Sends by the server at a URL.
    ///
    /// # Errors
    /// If the URL or the sender is wrong, or the server is elsewhere and nothing is encrypted.
    pub fn new(url: &str, from: &str) -> Result<Self, OutboundError> {
        let from: Mailbox = from.parse().map_err(|_| OutboundError::SmtpFrom)?;
        let parsed = Url::parse(url).map_err(|_| OutboundError::SmtpUrl)?;
        let host = parsed.host_str().ok_or(OutboundError::SmtpUrl)?;
        let is_encrypted = match parsed.scheme() {
            "smtps" => true,
            "smtp" => parsed.query_pairs().any(|(key, value)| key == "tls" && value == "required"),
            _ => return Err(OutboundError::SmtpUrl),
        };
        if !is_encrypted && !is_this_machine(host) {
            return Err(OutboundError::SmtpUrl);
        }
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| OutboundError::SmtpUrl)?
            .timeout(Some(SEND_TIMEOUT))
            .build();
        Ok(Self { transport, from })
    }

    /// The one way to write the address of a mailbox, of those that need no quotes; `None` for what
    /// is none. What is before the at sign is the mailbox's own affair.
    #[must_use]
    pub fn address(text: &str) -> Option<String> {
        let is_plain = text.len() <= 254 && !text.contains(['"', '[', ' ']);
        let address: Address = text.parse().ok().filter(|_| is_plain)?;
        Some(format!("{}@{}", address.user(), address.domain().to_lowercase()))
    }

    /// Hands a mail over.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn send(&self, mail: Mail<'_>) -> Result<(), Failure> {
        let unsendable = || Failure::lasting("the mail could not be written");
        let to: Address = mail.to.parse().map_err(|_| unsendable())?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .subject(mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.body)
            .map_err(|_| unsendable())?;
        match tokio::time::timeout(SEND_TIMEOUT, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let code = error.status().map(u16::from);
                let message = match code {
                    Some(code) => format!("the SMTP server answered {code}"),
                    None => "the SMTP server could not be reached".to_owned(),
                };
                let is_final = code.is_some_and(|code| REFUSED.contains(&code));
                Err(Failure { is_final, ..Failure::passing(message) })
            }
            Err(_) => Err(Failure::passing("the SMTP server did not answer in time")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_is_encrypted_unless_it_stays_on_this_machine() {
        let from = "Daybook <alerts@example.com>";
        for (url, is_right) in [
            ("smtps://user:secret@mail.example.com", true),
            ("smtp://mail.example.com:587?tls=required", true),
            ("smtp://127.0.0.1:2525", true),
            ("smtp://[::1]:2525", true),
            ("smtp://localhost", true),
            ("smtp://mail.example.com", false),
            ("smtp://mail.example.com?tls=opportunistic", false),
            ("http://127.0.0.1", false),
            ("mail.example.com", false),
            ("", false),
        ] {
            assert_eq!(Mailer::new(url, from).is_ok(), is_right, "{url}");
        }
        assert!(Mailer::new("smtp://localhost", "nobody").is_err());
    }

    #[test]
    fn addresses_of_mailboxes_are_plain() {
        assert_eq!(Mailer::address("Ann@Example.COM").as_deref(), Some("Ann@example.com"));
        for (text, is_right) in [
            ("ann@example.com", true),
            ("ann.b+c@example.co.uk", true),
            ("ann", false),
            ("@example.com", false),
            ("ann@", false),
            ("Ann <ann@example.com>", false),
            ("ann@example.com\r\nBcc: bob@example.com", false),
            ("ann@example.com,bob@example.com", false),
            ("ann@[127.0.0.1]", false),
            ("", false),
        ] {
            assert_eq!(Mailer::address(text).is_some(), is_right, "{text}");
        }
    }
}
