//! What may stand in one setting of a topic.

use super::{Plan, Replication};
use serde::Deserialize;
use std::fmt;

/// A rule for one setting under one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    bounds: Bounds,
    /// One value that is as good, though out of bounds.
    or: Option<String>,
    /// What a new topic gets; `None` leaves it to the brokers.
    create: Option<String>,
    why: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Bounds {
    Exactly(String),
    Within { least: Option<i64>, most: Option<i64> },
}

/// A rule as it is written, before it is known which plan it is for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    exactly: Option<Value>,
    at_least: Option<Value>,
    at_most: Option<Value>,
    or: Option<Scalar>,
    create: Option<Value>,
    why: String,
}

/// A value, or one for each replication.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    Same(Scalar),
    By { rf3: Scalar, rf1: Scalar },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Number(i64),
    Text(String),
}

/// Stands for the plan's number of partitions.
const P: &str = "P";

impl Rule {
    /// Whether a setting may have this value. Numbers are compared as numbers.
    pub fn accepts(&self, found: &str) -> bool {
        let within = match &self.bounds {
            Bounds::Exactly(wanted) => same(wanted, found),
            Bounds::Within { least: None, most: None } => true,
            Bounds::Within { least, most } => found
                .parse::<i64>()
                .is_ok_and(|n| least.is_none_or(|least| least <= n) && most.is_none_or(|most| n <= most)),
        };
        within || self.or.as_ref().is_some_and(|or| same(or, found))
    }

    /// What a new topic gets, or an old one to mend it. `None`: whatever the brokers give.
    pub fn create(&self) -> Option<&str> {
        self.create.as_deref()
    }

    /// What depends on it.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Whether every value is good.
    pub fn is_free(&self) -> bool {
        self.bounds == Bounds::Within { least: None, most: None }
    }
}

/// As a reader of a table wants it: `at least 2`, `120000 to 3600000`, `compact`, `free`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bounds {
            Bounds::Exactly(wanted) => write!(f, "{wanted}")?,
            Bounds::Within { least: Some(least), most: Some(most) } => write!(f, "{least} to {most}")?,
            Bounds::Within { least: Some(least), most: None } => write!(f, "at least {least}")?,
            Bounds::Within { least: None, most: Some(most) } => write!(f, "at most {most}")?,
            Bounds::Within { least: None, most: None } => write!(f, "free")?,
        }
        self.or.as_ref().map_or(Ok(()), |or| write!(f, " or {or}"))
    }
}

impl Written {
    /// The rule under this plan; an error says what contradicts itself.
    pub(super) fn resolve(&self, plan: &Plan) -> Result<Rule, String> {
        let number = |value: &Option<Value>| match value.as_ref().map(|value| value.under(plan)) {
            None => Ok(None),
            Some(text) => text.parse::<i64>().map(Some).map_err(|_| format!("{text:?} is no number")),
        };
        let bounds = match (&self.exactly, number(&self.at_least)?, number(&self.at_most)?) {
            (Some(exactly), None, None) => Bounds::Exactly(exactly.under(plan)),
            (Some(_), ..) => return Err("has `exactly` and a bound; keep one".into()),
            (None, Some(least), Some(most)) if least > most => {
                return Err("has an `at_least` above its `at_most`".into());
            }
            (None, least, most) => Bounds::Within { least, most },
        };
        let given = self.create.as_ref().or(self.exactly.as_ref()).or(self.at_least.as_ref());
        let rule = Rule {
            bounds,
            or: self.or.as_ref().map(Scalar::text),
            create: given.map(|value| value.under(plan)),
            why: self.why.clone(),
        };
        match rule.create() {
            Some(create) if !rule.accepts(create) => {
                Err(format!("would not accept its own `create`, {create}"))
            }
            None if !rule.is_free() => Err("has no value for a new topic; add `create`".into()),
            _ => Ok(rule),
        }
    }
}

impl Value {
    fn under(&self, plan: &Plan) -> String {
        let scalar = match (self, plan.replication) {
            (Self::Same(scalar), _) => scalar,
            (Self::By { rf3, .. }, Replication::Three) => rf3,
            (Self::By { rf1, .. }, Replication::One) => rf1,
        };
        match scalar {
            Scalar::Text(text) if text == P => plan.partitions.to_string(),
            scalar => scalar.text(),
        }
    }
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

fn same(wanted: &str, found: &str) -> bool {
    match (wanted.parse::<i64>(), found.parse::<i64>()) {
        (Ok(wanted), Ok(found)) => wanted == found,
        _ => wanted == found,
    }
}
