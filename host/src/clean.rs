//! Text in a guest's answers passes [`Vault::clean`] here, all of it, before
//! anything else sees it.

use serde_json::Value;

use crate::bindings::types::{Batch, Descriptor, Finding};
use crate::vault::Vault;

/// A batch has no more findings than this.
const FINDINGS: usize = 64;

/// Cleans the texts of a batch; its events are data, and stay as they are.
pub(crate) fn batch(batch: &mut Batch, vault: &Vault) {
    batch.partition = vault.clean(&batch.partition);
    batch.findings.truncate(FINDINGS);
    findings(&mut batch.findings, vault);
    for rejected in &mut batch.rejected {
        rejected.code = vault.clean(&rejected.code);
        rejected.reason = vault.clean(&rejected.reason);
        rejected.sha256 = vault.clean(&rejected.sha256);
    }
    for count in &mut batch.counters.not_selected_types {
        count.name = vault.clean(&count.name);
    }
}

/// Cleans findings.
pub(crate) fn findings(findings: &mut [Finding], vault: &Vault) {
    for finding in findings {
        finding.code = vault.clean(&finding.code);
        finding.partition = vault.clean(&finding.partition);
        finding.message = vault.clean(&finding.message);
    }
}

/// Cleans what a plugin says of itself.
pub(crate) fn descriptor(descriptor: &mut Descriptor, vault: &Vault) {
    let clean = |text: &mut String| *text = vault.clean(text);
    clean(&mut descriptor.name);
    clean(&mut descriptor.version);
    clean(&mut descriptor.mapping_version);
    for class in &mut descriptor.classes {
        clean(&mut class.name);
        clean(&mut class.caption);
        class
            .activities
            .iter_mut()
            .for_each(|a| clean(&mut a.caption));
    }
    for secret in &mut descriptor.secrets {
        clean(&mut secret.name);
        clean(&mut secret.description);
        secret
            .patterns
            .iter_mut()
            .for_each(|p| clean(&mut p.advice));
    }
    for finding in &mut descriptor.findings {
        clean(&mut finding.code);
        clean(&mut finding.meaning);
        clean(&mut finding.advice);
    }
}

/// Cleans every text in a JSON value.
pub(crate) fn json(value: &mut Value, vault: &Vault) {
    match value {
        Value::String(text) => *text = vault.clean(text),
        Value::Array(items) => items.iter_mut().for_each(|item| json(item, vault)),
        Value::Object(object) => object.values_mut().for_each(|value| json(value, vault)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
