//! Making, changing, deleting and listing rules.

use uuid::Uuid;

use crate::{
    alerts::Alerts,
    domain::{
        access::Identity,
        alert::{RuleSettings, WebhookSecret},
    },
    error::{Error, ErrorKind, Obstacle},
    store::alert_rules::{
        self as store, NewRule, RecordedRule, RuleChange, RuleOutcome, RuleRefusal,
    },
};

impl Alerts {
    /// Makes a rule for a user, or finds that very rule.
    ///
    /// # Errors
    /// `NotFound` for an unknown user or symbol; `AlreadyExists` where the id is another rule's;
    /// `InTheWay` where mail is wanted and none is sent; `BeyondLimit` where the user has as
    /// many as there may be; what the database says.
    pub async fn create_rule(
        &self,
        (rule_id, user_uuid): (Option<Uuid>, Uuid),
        settings: RuleSettings,
        by: &Identity,
    ) -> Result<RecordedRule, Error> {
        self.refuse_mail(&settings)?;
        let rule_id = rule_id.unwrap_or_else(Uuid::new_v4);
        let webhook_secret = WebhookSecret::random();
        let new = NewRule { rule_id, user_uuid, settings, webhook_secret };
        match store::create(&self.database, &new, self.limits, by).await? {
            RuleOutcome::Known(known) => match differences(&new, &known).as_slice() {
                [] => Ok(*known),
                fields => Err(Error::new(ErrorKind::AlreadyExists(format!(
                    "rule_id is recorded with another {}",
                    fields.join(" and another ")
                )))),
            },
            RuleOutcome::Recorded(rule) => Ok(*rule),
            RuleOutcome::Refused(refusal) => Err(refused(refusal)),
        }
    }

    /// Changes a rule.
    ///
    /// # Errors
    /// `NotFound` for an unknown rule, which every one beyond the scope is, and for an unknown
    /// symbol; `InTheWay` as for [`Self::create_rule`]; what the database says.
    pub async fn change_rule(
        &self,
        change: &RuleChange,
        by: &Identity,
    ) -> Result<RecordedRule, Error> {
        if let Some(settings) = &change.settings {
            self.refuse_mail(settings)?;
        }
        match store::change(&self.database, change, self.limits, by).await? {
            RuleOutcome::Recorded(rule) | RuleOutcome::Known(rule) => Ok(*rule),
            RuleOutcome::Refused(refusal) => Err(refused(refusal)),
        }
    }

    /// Deletes a rule, if there is one.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_rule(&self, rule_id: Uuid, by: &Identity) -> Result<(), Error> {
        Ok(store::delete(&self.database, rule_id, by).await.map(drop)?)
    }

    /// Up to `count_max` rules behind an id, of a user or of everybody.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list_rules(
        &self,
        after: Uuid,
        owner: Option<Uuid>,
        count_max: usize,
    ) -> Result<Vec<RecordedRule>, Error> {
        let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
        Ok(store::list(&self.database, after, owner, count_max).await?)
    }

    fn refuse_mail(&self, settings: &RuleSettings) -> Result<(), Error> {
        if settings.emails.is_empty() || self.outlets.mailer.is_some() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InTheWay(Obstacle {
            kind: "NO_MAIL",
            subject: "settings.recipients".to_owned(),
            description: "this server sends no mail: it was started without --smtp-url".to_owned(),
        })))
    }
}

fn refused(refusal: RuleRefusal) -> Error {
    Error::new(match refusal {
        RuleRefusal::NoUser => ErrorKind::NotFound("user"),
        RuleRefusal::NoSymbol => ErrorKind::NotFound("symbol"),
        RuleRefusal::NoRule => ErrorKind::NotFound("alert rule"),
        RuleRefusal::FullOfWide => ErrorKind::BeyondLimit(
            "the user has as many alert rules about all symbols as there may be",
        ),
        RuleRefusal::Full => {
            ErrorKind::BeyondLimit("the user has as many alert rules as there may be")
        }
    })
}

/// The fields in which a recorded rule differs from a wanted one.
fn differences(new: &NewRule, known: &RecordedRule) -> Vec<&'static str> {
    if new.user_uuid != known.user_uuid {
        // What another one's rule says is not told.
        return vec!["user_uuid"];
    }
    let (wanted, found) = (&new.settings, &known.settings);
    let recipients = |settings: &RuleSettings| {
        let (mut urls, mut emails) = (settings.webhook_urls.clone(), settings.emails.clone());
        urls.sort_unstable();
        emails.sort_unstable();
        (urls, emails)
    };
    let fields = [
        ("name", wanted.name != found.name),
        ("symbol", wanted.symbol != found.symbol),
        ("condition", wanted.condition != found.condition),
        ("window_seconds", wanted.window_seconds != found.window_seconds),
        ("ticks_min", wanted.ticks_min != found.ticks_min),
        ("cooldown_seconds", wanted.cooldown_seconds != found.cooldown_seconds),
        ("recipients", recipients(wanted) != recipients(found)),
        ("disabled", wanted.is_enabled != found.is_enabled),
    ];
    fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}
