use std::collections::HashMap;

use serde_json::Value;

use super::*;
use crate::catalogue::kind_of;

const NOW: i64 = 1_780_000_000_000;

fn events(recipe: &Recipe) -> Vec<Event> {
    recipe.generate().collect()
}

#[test]
fn the_same_seed_gives_the_same_events() {
    let recipe = Recipe {
        organizations: 3,
        ..Recipe::new(500, NOW)
    };
    let (first, second) = (events(&recipe), events(&recipe));
    assert!(
        first
            .iter()
            .zip(&second)
            .all(|(a, b)| a.raw == b.raw && a.visible_at == b.visible_at)
    );
    let other = events(&Recipe { seed: 2, ..recipe });
    assert!(first.iter().zip(&other).any(|(a, b)| a.raw != b.raw));
}

#[test]
fn truth_is_what_the_json_says() {
    let recipe = Recipe {
        organizations: 3,
        odd: 0.3,
        dead_letters: 0.05,
        ..Recipe::new(5000, NOW)
    };
    for event in recipe.generate() {
        let text = String::from_utf8_lossy(&event.raw);
        let json: Value = serde_json::from_slice(&event.raw).expect(&text);
        assert_eq!(kind_of(&json), event.kind, "{text}");
        assert_eq!(json["organization"], *event.organization, "{text}");
        assert_eq!(json["service"], event.service.name(), "{text}");
        assert_eq!(
            json["event_type"].as_str().unwrap_or_default(),
            event.event_type,
            "{text}"
        );
        let id = match &json["id"] {
            Value::String(id) => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        };
        assert_eq!(id.as_deref(), event.id.as_deref(), "{text}");
        let time = json["timestamp"].as_str().and_then(crate::event::millis);
        assert!(time.is_none_or(|ms| ms == event.ms), "{text}");
    }
}

#[test]
fn a_large_tenant_has_everything() {
    let events = events(&Recipe::new(40_000, NOW));
    let mut types: HashMap<(&str, &str), usize> = HashMap::new();
    let mut kinds: HashMap<Kind, usize> = HashMap::new();
    let mut bytes = 0;
    for event in &events {
        *types
            .entry((event.service.name(), &event.event_type))
            .or_default() += 1;
        *kinds.entry(event.kind).or_default() += 1;
        bytes += event.raw.len();
    }
    for row in TYPES {
        assert!(
            types.contains_key(&(row.service, row.name)),
            "{} is missing",
            row.name
        );
    }
    let share = |kind| kinds[&kind] as f64 / events.len() as f64;
    assert!((0.5..0.7).contains(&share(Kind::Login)), "{kinds:?}");
    assert!((0.05..0.2).contains(&share(Kind::Admin)), "{kinds:?}");
    assert!(
        (0.0001..0.002).contains(&share(Kind::DeadLetter)),
        "{kinds:?}"
    );
    assert!(
        (500..3000).contains(&(bytes / events.len())),
        "{} bytes a piece",
        bytes / events.len()
    );
    assert!(events.iter().any(|event| event.raw.len() > 60_000));
}

#[test]
fn times_have_bursts_laggards_and_some_from_the_future() {
    let all = events(&Recipe::new(20_000, NOW));
    let count = |test: &dyn Fn(&Event) -> bool| all.iter().filter(|event| test(event)).count();
    let late = count(&|event| event.visible_at - event.ms >= 60_000);
    assert!((100..400).contains(&late), "{late} late");
    let future = count(&|event| event.ms - event.visible_at >= 50_000);
    assert!((5..60).contains(&future), "{future} dated ahead");

    let mut times: Vec<i64> = all.iter().map(|event| event.ms).collect();
    times.sort_unstable();
    let shared = times.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(
        (3000..7000).contains(&shared),
        "{shared} share their millisecond"
    );
    for page in [10, 100, 1000] {
        let edges = times.chunks(page).zip(times.chunks(page).skip(1));
        let cut = edges
            .filter(|(page, next)| page.last() == next.first())
            .count();
        assert!(cut > 0, "no page of {page} ends within a burst");
    }
}

#[test]
fn a_settled_tenant_is_visible_from_its_own_time_on() {
    assert!(
        Recipe::new(1000, NOW)
            .settled()
            .generate()
            .all(|event| event.visible_at <= event.ms)
    );
}

#[test]
fn ids_are_unique_within_an_organisation() {
    let mut seen = std::collections::HashSet::new();
    for event in (Recipe {
        organizations: 2,
        ..Recipe::new(20_000, NOW)
    })
    .generate()
    {
        if let Some(id) = event.id {
            assert!(seen.insert((event.organization, id)));
        }
    }
}
