//! Sums, batches of them, and balances: for each a function that draws one and has the oracle
//! answer it, and one that asks it.

use num_bigint::BigInt;
use rand::RngExt;

use crate::{
    analytics::sum_amount::{SumAnswer, SumQuestion},
    domain::{
        access::Scope,
        direction::Direction,
        explanation::{Explanation, Verification},
    },
    error::{Error, ErrorKind},
    ledger::get_balance::{BalanceQuestion, BalanceSubject},
    selftest::{
        amount,
        draws::{ALL_TIME, Draws, Scan},
        oracle::{About, Oracle, Span, Whose},
        questions::{
            Answering, Drawn, Question, account_key, instant, sum_question, sum_text, told,
        },
    },
};

/// Sums of a batch at most.
const SUMS_MAX: usize = 8;

/// One sum.
pub(super) fn draw_sum(draws: &mut Draws, oracle: &Oracle) -> Drawn {
    let (about, span) = (draws.about(oracle), draws.span(oracle));
    let (explain, verify) = draws.besides();
    let question = SumQuestion { explain, verify, ..sum_question(oracle, about, span) };
    let scan = if verify { Scan::Always } else { Scan::Never };
    let right = draws.right(sum_text(oracle.sum(about, span)), span, scan);
    Drawn { question: Question::Sum(question), right }
}

/// Asks one sum.
pub(super) async fn ask_sum(
    answering: &Answering,
    question: &SumQuestion,
) -> Result<String, Error> {
    shown_sum(question, answering.analytics.sum_amount(question).await?)
}

fn shown_sum(question: &SumQuestion, answer: SumAnswer) -> Result<String, Error> {
    let SumAnswer { sum_amount, transaction_count, explanation, verification, .. } = answer;
    let besides = Besides { explanation, verification };
    besides.check(question.explain, question.verify, transaction_count)?;
    let count = usize::try_from(transaction_count).unwrap_or(usize::MAX);
    Ok(sum_text((sum_amount, count)))
}

/// Sums of several subjects and windows, from one snapshot. Some may be refused and others
/// not.
pub(super) fn draw_batch(draws: &mut Draws, oracle: &Oracle) -> Drawn {
    let (mut questions, mut texts) = (Vec::new(), Vec::new());
    let (explain, verify) = draws.besides();
    for _ in 0..draws.rng.random_range(1..=SUMS_MAX) {
        let (about, span) = (draws.about(oracle), draws.span(oracle));
        let question = SumQuestion { explain, verify, ..sum_question(oracle, about, span) };
        questions.push(question);
        let rows = draws.refusal(span, true).filter(|_| verify);
        let refusal = draws.refusal(span, false).or(rows);
        texts.push(refusal.unwrap_or_else(|| sum_text(oracle.sum(about, span))));
    }
    Drawn { question: Question::Batch(questions), right: vec![texts.join("\n")] }
}

/// Asks a batch.
pub(super) async fn ask_batch(
    answering: &Answering,
    questions: &[SumQuestion],
) -> Result<String, Error> {
    let answer = answering.analytics.batch_sum_amount(questions).await?;
    let mut texts = Vec::new();
    for (question, outcome) in questions.iter().zip(answer.outcomes) {
        texts.push(match outcome {
            Ok(answer) => shown_sum(question, answer)?,
            Err(error) => told(&error),
        });
    }
    Ok(texts.join("\n"))
}

/// What a user or an account holds before an instant, or at the end of all time.
pub(super) fn draw_balance(draws: &mut Draws, oracle: &Oracle) -> Drawn {
    let mut about = draws.about(oracle);
    let subject = match about.whose {
        Whose::User(user) | Whose::Payments(user) => {
            about.whose = Whose::User(user);
            BalanceSubject::User(oracle.users[user].user_uuid)
        }
        Whose::Account(account) => BalanceSubject::Account(account_key(oracle, account)),
    };
    let end = draws.span(oracle).end;
    let at = (!draws.is(0.2)).then_some(end);
    let span = Span { start: ALL_TIME.start, end: at.unwrap_or(ALL_TIME.end) };
    let side = |direction| About { direction, ..about };
    let [received, sent] = [Direction::Receiver, Direction::Sender].map(side);
    let total = |about| oracle.amounts(about, span).iter().sum::<BigInt>();
    let asset = oracle.assets[about.asset].clone();
    let balance = amount::text(&(total(received) - total(sent)), asset.decimals);
    let text =
        balance_text(&balance, [received, sent].map(|side| sum_text(oracle.sum(side, span))));
    let (explain, verify) = draws.besides();
    let scan = if verify { Scan::Always } else { Scan::Never };
    let right = draws.right(text, span, scan);
    let question = BalanceQuestion {
        subject,
        scope: Scope::Everybody,
        asset,
        at: at.map(instant),
        explain,
        verify,
    };
    Drawn { question: Question::Balance(question), right }
}

/// Asks a balance.
pub(super) async fn ask_balance(
    answering: &Answering,
    question: &BalanceQuestion,
) -> Result<String, Error> {
    let answer = answering.ledger.get_balance(question).await?;
    let counts = [answer.received_count, answer.sent_count];
    let besides = Besides { explanation: answer.explanation, verification: answer.verification };
    besides.check(question.explain, question.verify, counts.iter().sum())?;
    let [received, sent] = counts.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let sides = [(answer.received_amount, received), (answer.sent_amount, sent)].map(sum_text);
    Ok(balance_text(&answer.balance, sides))
}

fn balance_text(balance: &str, [received, sent]: [String; 2]) -> String {
    format!("{balance}: received {received}, sent {sent}")
}

/// What an answer brings along.
#[derive(Clone, Debug)]
pub(super) struct Besides {
    pub(super) explanation: Option<Explanation>,
    pub(super) verification: Option<Verification>,
}

impl Besides {
    /// It must be there if it was asked for, and only then; an explanation must name what an
    /// answer with so many transactions was made of, and a verification agree, having seen as
    /// many.
    pub(super) fn check(&self, explain: bool, verify: bool, count: i64) -> Result<(), Error> {
        let Self { explanation, verification } = self;
        let made_of = |explanation: &Explanation| {
            let Explanation { cells_read, corrections_read, raw_rows_read, .. } = explanation;
            *cells_read > 0 || *corrections_read > 0 || *raw_rows_read > 0
        };
        let is_explained = match explanation {
            Some(explanation) => explain && (count == 0 || made_of(explanation)),
            None => !explain,
        };
        let is_verified = match verification {
            Some(found) => verify && found.difference.is_none() && found.rows_scanned == count,
            None => !verify,
        };
        if is_explained && is_verified {
            return Ok(());
        }
        let text = format!(
            "explain {explain}, verify {verify}, {count} transactions; and there came \
             {explanation:?} and {verification:?}"
        );
        Err(Error::with_source(ErrorKind::Internal, text))
    }
}
