//! Rules: made, listed, changed and deleted; and whose they are.

use daybook::{
    access::{NewToken, create_token},
    config::AuthMode,
    domain::access::{Role, Token},
    grpc::pb::v1::{
        AlertCondition, AlertRecipient, AlertRuleSettings, CreateAlertRuleRequest,
        DeleteAlertRuleRequest, ListAlertRulesRequest, UpdateAlertRuleRequest, WatchAlertsRequest,
        alert_condition::Kind, alert_recipient,
    },
};
use tonic::{Code, Request, Status};
use uuid::Uuid;

use super::{
    change, create, create_with_id, events, level, name_symbols, new_id, new_user, no_data, record,
    rule_of, times_average,
};
use crate::{
    invalid_requests::fields,
    support::{
        schema::one,
        service::{TestService, new_target, settings},
    },
};

fn webhook(url: &str) -> AlertRecipient {
    AlertRecipient { kind: Some(alert_recipient::Kind::WebhookUrl(url.to_owned())) }
}

fn email(address: &str) -> AlertRecipient {
    AlertRecipient { kind: Some(alert_recipient::Kind::Email(address.to_owned())) }
}

#[tokio::test]
async fn a_rule_says_what_it_does_with_defaults_filled_in() {
    let service = TestService::start().await;
    name_symbols(&service, &["btcusd"]).await;
    let user = new_user(&service, "ann").await;
    for (symbol, kind, shown_symbol, shown) in [
        ("BTC-USD", times_average("", ""), "btcusd", times_average("3", "3")),
        ("", times_average("2.50", "1.5"), "", times_average("2.5", "1.5")),
        ("btcusd", Kind::Above(level("10", "9.5")), "btcusd", Kind::Above(level("10", "9.5"))),
        ("btcusd", Kind::Below(level("10", "")), "btcusd", Kind::Below(level("10", "10"))),
        ("", change("-5", "-2.5"), "", change("-5", "-2.5")),
        ("", no_data(), "", no_data()),
    ] {
        let rule = create(&service, &user, rule_of(symbol, kind.clone())).await;
        let expected = AlertRuleSettings {
            window_seconds: 3_600,
            ticks_min: 5,
            ..rule_of(shown_symbol, shown)
        };
        assert_eq!(rule.settings, Some(expected), "{kind:?}");
        assert_eq!(rule.user_uuid, user);
        assert!(Uuid::parse_str(&rule.rule_id).is_ok() && rule.created_at == rule.updated_at);
    }
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let service = TestService::start().await;
    let mut client = service.prices().await;
    let wrong = |settings: AlertRuleSettings| CreateAlertRuleRequest {
        user_uuid: "ann".to_owned(),
        rule_id: "7".to_owned(),
        settings: Some(settings),
    };
    let status = client
        .create_alert_rule(wrong(AlertRuleSettings {
            name: "a\nb".to_owned(),
            symbol: "?".to_owned(),
            condition: None,
            window_seconds: 86_401,
            ticks_min: -1,
            cooldown_seconds: -1,
            recipients: vec![
                webhook("http://example.com"),
                webhook("https://10.0.0.1/"),
                email("ann"),
                AlertRecipient { kind: None },
                webhook("https://example.com"),
                webhook("https://example.com"),
            ],
            disabled: false,
        }))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        fields(&status),
        [
            "user_uuid",
            "rule_id",
            "settings.name",
            "settings.symbol",
            "settings.condition",
            "settings.window_seconds",
            "settings.ticks_min",
            "settings.cooldown_seconds",
            "settings.recipients[0].webhook_url",
            "settings.recipients[1].webhook_url",
            "settings.recipients[2].email",
            "settings.recipients[3]",
            "settings.recipients[5].webhook_url",
        ]
    );
}

#[tokio::test]
async fn levels_of_conditions_are_numbers_in_order() {
    let service = TestService::start().await;
    let mut client = service.prices().await;
    let of = |name: &str| format!("settings.condition.{name}");
    for (kind, field) in [
        (times_average("0", ""), of("times_average.factor")),
        (times_average("x", ""), of("times_average.factor")),
        (times_average("3", "4"), of("times_average.rearm_factor")),
        (times_average("3", "-1"), of("times_average.rearm_factor")),
        (Kind::Above(level("", "")), of("above.price")),
        (Kind::Above(level("1e40", "")), of("above.price")),
        (Kind::Above(level("1", "1.1")), of("above.rearm_price")),
        (Kind::Below(level("-1", "")), of("below.price")),
        (Kind::Below(level("1", "0.9")), of("below.rearm_price")),
        (change("0", ""), of("change.percent")),
        (change("-100", ""), of("change.percent")),
        (change("5", "6"), of("change.rearm_percent")),
        (change("-5", "-6"), of("change.rearm_percent")),
    ] {
        let (settings, rule_id) = (Some(rule_of("", kind.clone())), String::new());
        let request = CreateAlertRuleRequest { user_uuid: new_id(), settings, rule_id };
        let status = client.create_alert_rule(request).await.unwrap_err();
        assert_eq!(fields(&status), [field], "{kind:?}");
    }
}

#[tokio::test]
async fn recipients_are_counted_and_a_change_says_one_thing() {
    let service = TestService::start().await;
    let mut client = service.prices().await;
    let odd = AlertRuleSettings { window_seconds: 3_601, ..rule_of("", times_average("", "")) };
    let status = create_with_id(&service, &new_id(), odd, String::new()).await.unwrap_err();
    assert_eq!(fields(&status), ["settings.window_seconds"]);
    let nil = Uuid::nil().to_string();
    let status = create_with_id(&service, &new_id(), rule_of("", no_data()), nil).await;
    assert_eq!(fields(&status.unwrap_err()), ["rule_id"]);
    let many = (0..11).map(|number| webhook(&format!("https://example.com/{number}"))).collect();
    let settings = AlertRuleSettings { recipients: many, ..rule_of("", no_data()) };
    let status = create_with_id(&service, &new_id(), settings, String::new()).await.unwrap_err();
    assert_eq!(fields(&status), ["settings.recipients"]);
    let empty = UpdateAlertRuleRequest { rule_id: new_id(), ..Default::default() };
    assert_eq!(fields(&client.update_alert_rule(empty).await.unwrap_err()), ["settings"]);
    let both = UpdateAlertRuleRequest {
        rule_id: new_id(),
        settings: Some(AlertRuleSettings {
            condition: Some(AlertCondition { kind: Some(no_data()) }),
            ..Default::default()
        }),
        enabled: Some(true),
        rotate_webhook_secret: false,
    };
    assert_eq!(fields(&client.update_alert_rule(both).await.unwrap_err()), ["enabled"]);
}

#[tokio::test]
async fn what_a_rule_names_must_be_there() {
    let service = TestService::start().await;
    let user = new_user(&service, "ann").await;
    let message = async |user: &str, settings| {
        let status: Status =
            create_with_id(&service, user, settings, String::new()).await.unwrap_err();
        (status.code(), status.message().to_owned())
    };
    let (code, text) = message(&new_id(), rule_of("", no_data())).await;
    assert_eq!((code, text.as_str()), (Code::NotFound, "there is no such user"));
    let (code, text) = message(&user, rule_of("btcusd", no_data())).await;
    assert_eq!((code, text.as_str()), (Code::NotFound, "there is no such symbol"));
    let mail =
        AlertRuleSettings { recipients: vec![email("ann@example.com")], ..rule_of("", no_data()) };
    assert_eq!(message(&user, mail).await.0, Code::FailedPrecondition);
}

#[tokio::test]
async fn a_request_that_comes_twice_makes_one_rule() {
    let mut settings = settings();
    settings.alerts.alert_rules_max = 2;
    let service = TestService::start_with(new_target(), settings).await;
    let user = new_user(&service, "ann").await;
    let id = new_id();
    let make = async |settings| create_with_id(&service, &user, settings, id.clone()).await;
    let rule = make(rule_of("", no_data())).await.unwrap();
    assert_eq!(rule.rule_id, id);
    assert_eq!(make(rule_of("", no_data())).await.unwrap(), rule);
    let other = AlertRuleSettings { ticks_min: 7, ..rule_of("", change("1", "")) };
    let status = make(other).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    let expected = "rule_id is recorded with another condition and another ticks_min";
    assert_eq!(status.message(), expected);
    let bob = new_user(&service, "bob").await;
    let status = create_with_id(&service, &bob, rule_of("", no_data()), id.clone()).await;
    assert_eq!(status.unwrap_err().message(), "rule_id is recorded with another user_uuid");
    name_symbols(&service, &["aaausd"]).await;
    create(&service, &user, rule_of("aaausd", no_data())).await;
    let one_more = create_with_id(&service, &user, rule_of("", no_data()), String::new()).await;
    assert_eq!(one_more.unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!(make(rule_of("", no_data())).await.unwrap(), rule, "it is there, full or not");
}

#[tokio::test]
async fn rules_are_listed_by_page_and_by_user_and_go_with_the_user() {
    let service = TestService::start().await;
    let (ann, bob) = (new_user(&service, "ann").await, new_user(&service, "bob").await);
    let mut ids = Vec::new();
    for user in [&ann, &ann, &bob, &ann] {
        ids.push((user.clone(), create(&service, user, rule_of("", no_data())).await.rule_id));
    }
    let mut client = service.prices().await;
    let mut listed = async |user_uuid: &str| {
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let user_uuid = user_uuid.to_owned();
            let request = ListAlertRulesRequest { user_uuid, page_size: 2, page_token };
            let page = client.list_alert_rules(request).await.unwrap().into_inner();
            assert!(page.rules.len() <= 2);
            found.extend(page.rules.into_iter().map(|rule| (rule.user_uuid, rule.rule_id)));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return found;
            }
        }
    };
    ids.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(listed("").await, ids);
    let of_ann: Vec<_> = ids.iter().filter(|id| id.0 == ann).cloned().collect();
    assert_eq!(listed(&ann).await, of_ann);
    record(&service, &[&[("aaausd", 1, "1"), ("aaausd", 50_000, "1")]]).await;
    assert_eq!(events(&service).await.len(), 8, "a silence that begins and ends for each");
    let request =
        daybook::grpc::pb::v1::DeleteUserRequest { user_uuid: ann.clone(), ..Default::default() };
    service.ledger().await.delete_user(request).await.unwrap();
    assert_eq!(listed("").await.len(), 1);
    assert_eq!(events(&service).await.len(), 2, "what happened goes with the user, too");
    let status = service
        .prices()
        .await
        .list_alert_rules(ListAlertRulesRequest { user_uuid: ann, ..Default::default() })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn a_rule_that_changes_is_armed_anew_and_one_that_is_renamed_is_not() {
    let service = TestService::start().await;
    name_symbols(&service, &["aaausd"]).await;
    let user = new_user(&service, "ann").await;
    let above = rule_of("aaausd", Kind::Above(level("10", "")));
    let rule_id = create(&service, &user, above.clone()).await.rule_id;
    let mut client = service.prices().await;
    let mut update = async |settings: Option<AlertRuleSettings>, enabled: Option<bool>| {
        let request = UpdateAlertRuleRequest {
            rule_id: rule_id.clone(),
            settings,
            enabled,
            rotate_webhook_secret: false,
        };
        client.update_alert_rule(request).await.unwrap().into_inner()
    };
    record(&service, &[&[("aaausd", 1, "11")]]).await;
    let renamed = AlertRuleSettings {
        name: "b".to_owned(),
        recipients: vec![webhook("https://example.com/hook")],
        ..above.clone()
    };
    let answer = update(Some(renamed.clone()), None).await;
    assert!(answer.webhook_secret.starts_with("whsec_"), "{}", answer.webhook_secret);
    let rule = answer.rule.unwrap();
    assert!(rule.updated_at.unwrap().seconds >= rule.created_at.unwrap().seconds);
    record(&service, &[&[("aaausd", 2, "11")]]).await;
    assert_eq!(events(&service).await, ["a rule aaausd +1"], "it fires already");
    let lower = AlertRuleSettings { ticks_min: 1, ..rule_of("", Kind::Above(level("5", ""))) };
    assert_eq!(update(Some(lower), None).await.webhook_secret, "", "nobody is sent anything");
    record(&service, &[&[("aaausd", 3, "11")]]).await;
    assert_eq!(events(&service).await, ["a rule aaausd +1", "a rule aaausd +3"]);
    let rule = update(None, Some(false)).await.rule.unwrap();
    assert!(rule.settings.unwrap().disabled);
    record(&service, &[&[("aaausd", 4, "1")], &[("aaausd", 5, "11")]]).await;
    assert_eq!(events(&service).await.len(), 2, "it does not watch");
    assert!(!update(None, Some(true)).await.rule.unwrap().settings.unwrap().disabled);
    record(&service, &[&[("aaausd", 6, "11")]]).await;
    assert_eq!(events(&service).await.len(), 3, "it watches anew");
    let delete = DeleteAlertRuleRequest { rule_id: rule_id.clone() };
    for _ in 0..2 {
        service.prices().await.delete_alert_rule(delete.clone()).await.unwrap();
    }
    record(&service, &[&[("aaausd", 7, "1")], &[("aaausd", 8, "11")]]).await;
    assert_eq!(events(&service).await.len(), 3, "what happened stays, and no more happens");
    assert_eq!(one::<i64>(&service.sql, "SELECT count(*) FROM alert_states").await, 0);
    let enabled = UpdateAlertRuleRequest { rule_id, enabled: Some(true), ..Default::default() };
    let status = service.prices().await.update_alert_rule(enabled).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn a_user_sees_and_makes_rules_of_the_user_alone() {
    let mut settings = settings();
    settings.server.auth = AuthMode::On;
    let service = TestService::start_with(new_target(), settings).await;
    let token = async |role, user_uuid: Option<Uuid>| {
        let token = Token::new(rand::RngExt::random(&mut rand::rng()));
        let new = NewToken {
            token_id: Uuid::new_v4(),
            name: "t".to_owned(),
            hash: token.hash(),
            role,
            user_uuid,
            certificate_name: None,
            expires_days: None,
        };
        create_token(&service.owner, &new).await.unwrap();
        format!("Bearer {}", token.to_text())
    };
    let mut users = Vec::new();
    for name in ["ann", "bob"] {
        let query = "INSERT INTO users (user_uuid, username, name)
                     VALUES (gen_random_uuid(), $1, '') RETURNING user_uuid";
        users.push(service.sql.query_one(query, &[&name]).await.unwrap().get::<_, Uuid>(0));
    }
    let (ann, bob) = (users[0], users[1]);
    let (as_ann, as_reader) = (token(Role::User, Some(ann)).await, token(Role::Reader, None).await);
    let mut client = service.prices().await;
    fn with<T>(message: T, token: &str) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", token.parse().unwrap());
        request
    }
    let make = |user: Uuid| CreateAlertRuleRequest {
        user_uuid: user.to_string(),
        settings: Some(rule_of("", no_data())),
        rule_id: String::new(),
    };
    let made = client.create_alert_rule(with(make(ann), &as_ann)).await.unwrap().into_inner();
    let status = client.create_alert_rule(with(make(bob), &as_ann)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let status = client.create_alert_rule(with(make(ann), &as_reader)).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let of_bob = "INSERT INTO alert_rules (rule_id, user_id, name, kind, threshold,
                      rearm_threshold, window_seconds, ticks_min, cooldown_seconds, webhook_urls,
                      emails, webhook_secret)
                  SELECT gen_random_uuid(), user_id, '', 'above', 1, 1, 1, 1, 0, '{}', '{}',
                         decode(repeat('00', 32), 'hex')
                  FROM users WHERE username = 'bob' RETURNING rule_id";
    let rule_of_bob: Uuid = service.sql.query_one(of_bob, &[]).await.unwrap().get(0);
    let list = ListAlertRulesRequest::default();
    let found = client.list_alert_rules(with(list.clone(), &as_ann)).await.unwrap().into_inner();
    assert_eq!(found.rules, [made.rule.unwrap()]);
    let found = client.list_alert_rules(with(list, &as_reader)).await.unwrap().into_inner();
    assert_eq!(found.rules.len(), 2);
    let rule_id = rule_of_bob.to_string();
    let delete = DeleteAlertRuleRequest { rule_id: rule_id.clone() };
    client.delete_alert_rule(with(delete, &as_ann)).await.unwrap();
    let update = UpdateAlertRuleRequest { rule_id, enabled: Some(false), ..Default::default() };
    let status = client.update_alert_rule(with(update, &as_ann)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let watch = WatchAlertsRequest { user_uuid: bob.to_string(), after_event_id: Some(0) };
    let status = client.watch_alerts(with(watch, &as_ann)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let query = "SELECT count(*) FROM alert_rules";
    assert_eq!(one::<i64>(&service.sql, query).await, 2, "bob's is still there");
}

#[tokio::test]
async fn a_user_has_few_rules_about_all_symbols() {
    let mut settings = settings();
    settings.alerts.alert_wide_rules_max = 1;
    let service = TestService::start_with(new_target(), settings).await;
    name_symbols(&service, &["aaausd"]).await;
    let user = new_user(&service, "ann").await;
    create(&service, &user, rule_of("", no_data())).await;
    let one_more = create_with_id(&service, &user, rule_of("", no_data()), String::new()).await;
    assert_eq!(one_more.unwrap_err().code(), Code::ResourceExhausted);
    let narrow = create(&service, &user, rule_of("aaausd", no_data())).await;
    let update = UpdateAlertRuleRequest {
        rule_id: narrow.rule_id,
        settings: Some(rule_of("", no_data())),
        ..Default::default()
    };
    let status = service.prices().await.update_alert_rule(update).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn of_two_users_who_give_one_id_at_once_one_has_the_rule() {
    let service = TestService::start().await;
    let (ann, bob) = (new_user(&service, "ann").await, new_user(&service, "bob").await);
    name_symbols(&service, &["aaausd"]).await;
    for _ in 0..20 {
        let (id, rule) = (new_id(), rule_of("aaausd", no_data()));
        let (of_ann, of_bob) = tokio::join!(
            create_with_id(&service, &ann, rule.clone(), id.clone()),
            create_with_id(&service, &bob, rule.clone(), id.clone()),
        );
        let refused = match (of_ann, of_bob) {
            (Ok(made), Err(refused)) => {
                assert_eq!(made.user_uuid, ann);
                refused
            }
            (Err(refused), Ok(made)) => {
                assert_eq!(made.user_uuid, bob);
                refused
            }
            both => panic!("one has it and the other not: {both:?}"),
        };
        assert_eq!(refused.message(), "rule_id is recorded with another user_uuid");
    }
}
