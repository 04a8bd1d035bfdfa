//! `search_term`: a nested filter over the fields of an event.

use serde_json::Value;

use super::answer::Answer;

/// More leaves than this are answered with a 500, as very complex searches are.
const MAX_LEAVES: usize = 40;

/// A filter.
#[derive(Debug)]
pub(super) enum Term {
    And(Vec<Term>),
    Or(Vec<Term>),
    Not(Vec<Term>),
    /// A field, in dot notation, that has one of these values.
    Field(String, Vec<String>),
}

impl Term {
    /// Reads `{"and"|"or"|"not": …}` with exactly one key at a level.
    pub(super) fn parse(value: &Value) -> Result<Term, Answer> {
        let term = operator(value)?.ok_or_else(|| refused("search_term needs and, or or not"))?;
        match term.leaves() > MAX_LEAVES {
            true => Err(Answer::refused(500, "Internal Server Error")),
            false => Ok(term),
        }
    }

    /// Whether an event passes. `first_only`: of a list of values only the first counts.
    pub(super) fn matches(&self, event: &Value, first_only: bool) -> bool {
        match self {
            Term::And(terms) => terms.iter().all(|term| term.matches(event, first_only)),
            Term::Or(terms) => terms.iter().any(|term| term.matches(event, first_only)),
            Term::Not(terms) => !terms.iter().any(|term| term.matches(event, first_only)),
            Term::Field(path, values) => {
                let count = if first_only { 1 } else { values.len() };
                // Values were put into lower case when stored; the query's are compared as sent.
                let stored = text_at(event, path).map(|text| text.to_lowercase());
                stored.is_some_and(|stored| values.iter().take(count).any(|value| *value == stored))
            }
        }
    }

    fn leaves(&self) -> usize {
        match self {
            Term::And(terms) | Term::Or(terms) | Term::Not(terms) => {
                terms.iter().map(Term::leaves).sum()
            }
            Term::Field(_, values) => values.len(),
        }
    }
}

/// The value at a dotted path, as text.
pub(super) fn text_at(event: &Value, path: &str) -> Option<String> {
    match path
        .split('.')
        .try_fold(event, |value, name| value.get(name))?
    {
        Value::String(text) => Some(text.clone()),
        value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
        _ => None,
    }
}

/// The operator of an object that has one, with what it applies to.
fn operator(value: &Value) -> Result<Option<Term>, Answer> {
    let object = value
        .as_object()
        .ok_or_else(|| refused("search_term is not an object"))?;
    let Some((name, operands)) = object.iter().next() else {
        return Ok(None);
    };
    let build = match name.as_str() {
        "and" => Term::And,
        "or" => Term::Or,
        "not" => Term::Not,
        _ => return Ok(None),
    };
    match object.len() {
        1 => Ok(Some(build(self::operands(operands)?))),
        _ => Err(refused(
            "search_term needs exactly one of and, or, not at a level",
        )),
    }
}

/// A list of `{field: value}`, or the same as one map; operators may be nested.
fn operands(value: &Value) -> Result<Vec<Term>, Answer> {
    let mut terms = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let objects = match value {
        Value::Array(objects) => objects.as_slice(),
        object => std::slice::from_ref(object),
    };
    for object in objects {
        if let Some(nested) = operator(object)? {
            terms.push(nested);
            continue;
        }
        for (name, value) in object.as_object().into_iter().flatten() {
            if names.contains(&name.as_str()) {
                return Err(refused(&format!("search_term has the field {name} twice")));
            }
            if ["changes", "useragent", "system_timestamp"].contains(&name.as_str()) {
                return Err(refused(&format!("the field {name} cannot be searched")));
            }
            names.push(name);
            terms.push(Term::Field(name.clone(), values(value)?));
        }
    }
    Ok(terms)
}

fn values(value: &Value) -> Result<Vec<String>, Answer> {
    let one = std::slice::from_ref(value);
    value
        .as_array()
        .map_or(one, Vec::as_slice)
        .iter()
        .map(|value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(refused("the values of search_term are texts")),
        })
        .collect()
}

fn refused(message: &str) -> Answer {
    Answer::refused(400, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn passes(term: Value, first_only: bool) -> bool {
        let event = json!({"event_type": "sso_auth", "initiated_by": {"username": "Jane"}});
        Term::parse(&term).unwrap().matches(&event, first_only)
    }

    #[test]
    fn filters_by_field_list_and_nesting() {
        assert!(passes(json!({"and": [{"event_type": "sso_auth"}]}), false));
        assert!(passes(
            json!({"and": {"event_type": ["x", "sso_auth"]}}),
            false
        ));
        assert!(!passes(
            json!({"and": {"event_type": ["x", "sso_auth"]}}),
            true
        ));
        assert!(passes(
            json!({"and": [{"initiated_by.username": "jane"}]}),
            false
        ));
        assert!(!passes(
            json!({"and": [{"initiated_by.username": "Jane"}]}),
            false
        ));
        assert!(!passes(json!({"not": [{"event_type": "sso_auth"}]}), false));
        let nested = json!({"and": [{"event_type": "sso_auth"}, {"or": [{"a": "b"}]}]});
        assert!(!passes(nested, false));
    }

    #[test]
    fn refuses_what_the_api_refuses() {
        let status = |term: Value| Term::parse(&term).unwrap_err().status;
        assert_eq!(status(json!({"and": [{"success": false}]})), 400);
        assert_eq!(status(json!({"and": [], "or": []})), 400);
        assert_eq!(status(json!({"and": [{"a": "1"}, {"a": "2"}]})), 400);
        assert_eq!(status(json!({"and": [{"useragent": "x"}]})), 400);
        let many: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        assert_eq!(status(json!({"or": {"a": many}})), 500);
    }
}
