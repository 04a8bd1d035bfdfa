//! Opening a feed: its secrets, its network and its settings, and all that is
//! wrong with any of them at once.

use std::sync::Arc;

use serde_json::Value;

use super::Feed;
use crate::egress::Rules;
use crate::engine::Plugin;
use crate::error::{Error, Kind, Problem, Result};
use crate::http::Http;
use crate::instance::{Instance, Surroundings};
use crate::keyvalue::FeedBucket;
use crate::options::FeedOptions;
use crate::outbox::Outbox;
use crate::secrets;
use crate::sink::Sink;
use crate::store::Store;
use crate::vault::Vault;

impl Feed {
    /// Opens a feed: reads its secrets and has the plugin check its settings,
    /// all problems at once. No request is sent.
    pub async fn open(
        plugin: &Plugin,
        options: FeedOptions,
        store: Arc<dyn Store>,
        sink: Arc<dyn Sink>,
    ) -> Result<Self> {
        let (vault, mut problems) = secrets::open(plugin, &options);
        problems.extend(options.name_problem());
        let vault = Arc::new(vault);
        let rules = Rules::new(
            plugin.settings_schema(),
            &options.settings,
            options.allow.clone(),
        );
        let http = Http::new(
            options.name.clone(),
            rules,
            vault.clone(),
            options.limits.clone(),
            plugin.gates().clone(),
            options.ca_file.as_deref(),
        );
        let http = match http {
            Ok(http) => Some(Arc::new(http)),
            Err(e) => {
                problems.extend_from_slice(e.problems());
                None
            }
        };
        let settings = settings(plugin, &options).to_string();
        let bucket = FeedBucket::default();
        let around = surroundings(plugin, &options, &vault, http.clone(), bucket);
        let mut instance = Instance::start(plugin.linked(), around).await?;
        let secrets = secrets::given(plugin, &options, &vault);
        if let Err(e) = instance.open_feed(&settings, &secrets).await {
            if e.kind() != Kind::Configuration {
                return Err(e);
            }
            let told = e.problems().iter().cloned();
            problems.extend(told.map(|problem| as_list(problem, plugin, &options)));
        }
        let (Some(http), []) = (http, problems.as_slice()) else {
            return Err(Error::configuration(problems));
        };
        let status = store.status(&options.name).await?.unwrap_or_default();
        let outbox = Outbox::new(
            options.name.clone(),
            plugin.clone(),
            store.clone(),
            sink,
            options.dead_letters.clone(),
        );
        Ok(Self {
            plugin: plugin.clone(),
            options,
            settings,
            vault,
            http,
            store,
            outbox,
            status,
            instance: None,
            redo: true,
            failures: 0,
        })
    }
}

/// What an instance of the feed may reach.
pub(super) fn surroundings(
    plugin: &Plugin,
    options: &FeedOptions,
    vault: &Arc<Vault>,
    http: Option<Arc<Http>>,
    bucket: FeedBucket,
) -> Surroundings {
    Surroundings {
        feed: options.name.clone(),
        secrets: plugin
            .descriptor()
            .secrets
            .iter()
            .map(|spec| spec.name.clone())
            .collect(),
        limits: options.limits.clone(),
        vault: vault.clone(),
        http,
        bucket,
    }
}

/// What the plugin is to take. What is wrong with a secret among the settings is
/// known, and a secret does not enter a guest.
fn settings(plugin: &Plugin, options: &FeedOptions) -> Value {
    let mut settings = options.settings.clone();
    let secrets = &plugin.descriptor().secrets;
    settings.retain(|name, _| secrets.iter().all(|secret| secret.name != *name));
    Value::Object(settings)
}

/// Of a text where a list belongs: how to write it.
fn as_list(problem: Problem, plugin: &Plugin, options: &FeedOptions) -> Problem {
    let Some(name) = problem.key.strip_prefix("settings.") else {
        return problem;
    };
    let properties = plugin.settings_schema().get("properties");
    let schema = properties.and_then(|properties| properties.get(name));
    let kind = schema.and_then(|schema| schema.get("type"));
    let Some(Value::String(text)) = options.settings.get(name) else {
        return problem;
    };
    // What the plugin does not show may be a secret.
    let is_shown = !text.is_empty() && problem.message.contains(text);
    if kind.is_none_or(|kind| kind != "array") || !is_shown {
        return problem;
    }
    let items: Vec<&str> = text.split(',').map(str::trim).collect();
    problem.hint(format!("write it as a list: `{}`", Value::from(items)))
}
