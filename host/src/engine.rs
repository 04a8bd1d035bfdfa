//! Loading plugins: one [`Engine`] for a process, one [`Plugin`] for each file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Cache, CacheConfig, Config};

use crate::bindings::types::Descriptor;
use crate::bindings::{keyvalue, source, transform, types};
use crate::clean;
use crate::error::{Error, Kind, Problem, Result};
use crate::gate::Gates;
use crate::http::error_code;
use crate::instance::{Guest, Instance};
use crate::limits::Limits;
use crate::vault::Vault;

/// How often a computing guest is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Compiles plugins and runs them. Cheap to clone.
///
/// A process needs one. Its feeds share a limit on requests: two at a time to
/// one address with one credential, and none while the upstream wants to be left
/// alone.
#[derive(Clone)]
pub struct Engine(Arc<EngineInner>);

struct EngineInner {
    wasmtime: wasmtime::Engine,
    /// Every plugin once, by the hash of its bytes.
    plugins: Mutex<HashMap<String, Plugin>>,
    gates: Arc<Gates>,
}

/// A plugin, compiled and ready to run. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(Arc<PluginInner>);

struct PluginInner {
    path: PathBuf,
    sha256: String,
    descriptor: Descriptor,
    settings_schema: serde_json::Value,
    linked: Linked,
    gates: Arc<Gates>,
}

/// A component with the host's imports, and where its exports are.
#[derive(Clone)]
pub(crate) struct Linked {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) instance: InstancePre<Guest>,
    pub(crate) source: Arc<source::GuestIndices>,
    pub(crate) transform: Option<Arc<transform::GuestIndices>>,
}

impl Engine {
    /// Starts the engine, and the thread that lets it interrupt computing
    /// guests. Compiled plugins are kept in the user's cache folder, if there
    /// is one.
    pub fn new() -> Result<Self> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        config.cache(Cache::new(CacheConfig::new()).ok());
        let wasmtime = wasmtime::Engine::new(&config)
            .map_err(|e| Error::new(Kind::Plugin, format!("the engine does not start: {e:#}")))?;
        let weak = wasmtime.weak();
        std::thread::Builder::new()
            .name("epoch".to_owned())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .map_err(|e| Error::new(Kind::Plugin, format!("no thread for the engine: {e}")))?;
        Ok(Self(Arc::new(EngineInner {
            wasmtime,
            plugins: Mutex::default(),
            gates: Arc::default(),
        })))
    }

    /// Loads a component of the world `log-pipeline:source/source-plugin`, and
    /// asks it what it is. The same bytes are compiled once.
    pub async fn load(&self, path: impl AsRef<Path>) -> Result<Plugin> {
        self.load_checked(path, None, &Limits::default()).await
    }

    /// Like [`Engine::load`], within limits other than the defaults; a file with
    /// another SHA-256 than `pin` (in lower-case hex) is neither compiled nor
    /// run.
    pub async fn load_checked(
        &self,
        path: impl AsRef<Path>,
        pin: Option<&str>,
        limits: &Limits,
    ) -> Result<Plugin> {
        let path = path.as_ref();
        let shown = path.display();
        let bytes = std::fs::read(path).map_err(|e| {
            Error::new(
                Kind::Configuration,
                format!("the plugin `{shown}` can't be read: {e}"),
            )
            .hint("relative paths count from the configuration file, those of flags from the working directory")
        })?;
        let sha256 = format!("{:x}", Sha256::digest(&bytes));
        if pin.is_some_and(|pin| pin != sha256) {
            let message = format!("the plugin's is another: {sha256}");
            return Err(Error::configuration([Problem::new("sha256", message)
                .hint("if you meant to change the plugin, change the pin too")]));
        }
        if let Some(plugin) = self.plugins().get(&sha256) {
            return Ok(plugin.clone());
        }
        let is_wasm = bytes.starts_with(b"\0asm");
        let world = "a plugin is a component that exports `log-pipeline:source/source@0.1.0`";
        let no_plugin = |e: wasmtime::Error| {
            let reason = match is_wasm {
                true => Vault::empty().clean(&e.root_cause().to_string()),
                false => "it is not WebAssembly".to_owned(),
            };
            Error::new(
                Kind::Configuration,
                format!("`{shown}` is not a plugin: {reason}"),
            )
        };
        let component = Component::new(&self.0.wasmtime, &bytes).map_err(|e| {
            no_plugin(e).hint(match is_wasm {
                true => "the file is cut off, or no component: build it or copy it again",
                false => world,
            })
        })?;
        let linked = self
            .link(&component)
            .map_err(|e| no_plugin(e).hint(world))?;
        let descriptor = Instance::describe(&linked, limits).await?;
        let parsed = serde_json::from_str(&descriptor.settings_schema);
        let mut settings_schema = parsed.map_err(|e| {
            let message = format!("the settings schema of `{shown}` is not JSON: {e}");
            Error::new(Kind::Plugin, message)
        })?;
        clean::json(&mut settings_schema, &Vault::empty());
        let plugin = Plugin(Arc::new(PluginInner {
            path: path.to_owned(),
            sha256: sha256.clone(),
            descriptor,
            settings_schema,
            linked,
            gates: self.0.gates.clone(),
        }));
        self.plugins().insert(sha256, plugin.clone());
        Ok(plugin)
    }

    fn plugins(&self) -> std::sync::MutexGuard<'_, HashMap<String, Plugin>> {
        self.0
            .plugins
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self, component: &Component) -> wasmtime::Result<Linked> {
        let wasmtime = self.0.wasmtime.clone();
        let mut linker = Linker::<Guest>::new(&wasmtime);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        linker.allow_shadowing(true);
        linker
            .instance("wasi:http/types@0.2.12")?
            .func_wrap("http-error-code", error_code)?;
        linker.allow_shadowing(false);
        types::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
        keyvalue::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| &mut guest.bucket)?;
        let instance = linker.instantiate_pre(component)?;
        let source = Arc::new(source::GuestIndices::new(&instance)?);
        let transform = transform::GuestIndices::new(&instance).ok().map(Arc::new);
        Ok(Linked {
            wasmtime,
            instance,
            source,
            transform,
        })
    }
}

impl Plugin {
    /// Where it was loaded from.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// SHA-256 of the file, in lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// What the plugin says of itself.
    pub fn descriptor(&self) -> &Descriptor {
        &self.0.descriptor
    }

    /// Its name and version, as in `acme 1.2.0`.
    pub(crate) fn title(&self) -> String {
        let Descriptor { name, version, .. } = self.descriptor();
        format!("{name} {version}")
    }

    /// The JSON Schema of its settings.
    pub fn settings_schema(&self) -> &serde_json::Value {
        &self.0.settings_schema
    }

    /// Whether it also maps records that were collected elsewhere
    /// ([`crate::Transformer`]).
    pub fn can_transform(&self) -> bool {
        self.0.linked.transform.is_some()
    }

    pub(crate) fn linked(&self) -> &Linked {
        &self.0.linked
    }

    /// The gates of all feeds of its engine.
    pub(crate) fn gates(&self) -> &Arc<Gates> {
        &self.0.gates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_file_than_the_pinned_one_is_not_even_compiled() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.wasm");
        std::fs::write(&path, "no plugin").unwrap();
        let engine = Engine::new().unwrap();
        let refused = engine
            .load_checked(&path, Some(&"0".repeat(64)), &Limits::default())
            .await;
        let e = refused.err().unwrap();
        assert_eq!(e.problems()[0].key, "sha256");
        let e = engine.load(&path).await.err().unwrap();
        assert!(e.to_string().contains("is not WebAssembly"), "{e}");
    }
}
