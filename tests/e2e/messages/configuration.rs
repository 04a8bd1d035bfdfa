//! What is written in `feeds.toml` or flags is wrong: all of it is told at
//! once, each with its place, and nothing is sent or stored.

use jumpcloud_tests::Feed;
use snapbox::{assert_data_eq, data::Inline, str};

use super::told;

/// This `feeds.toml` is refused.
fn refused(toml: &str, message: Inline) {
    let feed = Feed::at("http://127.0.0.1:9");
    feed.configure(toml);
    let ran = feed.once().output().expect_code(2);
    assert_eq!(ran.stdout, "");
    assert_data_eq!(told(&ran, &feed), message);

    // `check` says the same, and what else it finds.
    let check = feed.command(&["check"]).output().expect_code(2);
    for line in ran.stderr.lines() {
        assert!(check.stderr.contains(line), "`check` does not say: {line}");
    }
}

#[test]
fn everything_at_once() {
    refused(
        r#"state_dir = "state"
contact = "nobody"

[defaults]
plugin = "[PLUGIN]"

[feeds.acme]
secrets = { token = "env:JUMPCLOUD_API_KEY" }
sink = { type = "fil", path = "out.ndjson" }
limits = { memory = "lots" }

[feeds.acme.settings]
api_base_url = "http://api.jumpcloud.com"
event_types = ["login", "logins"]
start = "yesterday"
retention_days = 0
poll_intervall = "60s"
org_ids = ["acme"]

[feeds.other]
contakt = "x"
secrets = { token = "env:NO_SUCH_VARIABLE" }
settings = { late_horizon = "7 days", include_raw = "yes" }
"#,
        str![[r#"
error: feeds.toml:2: `contact`: there is no such key

hint: the keys here are: defaults, feeds, state_dir

error: feeds.toml:9: feed `acme`: `sink.type`: `fil` is not known

hint: did you mean `file`?

error: feeds.toml:10: feed `acme`: `limits.memory`: expected a number of bytes, as in `"64 MiB"`
error: feeds.toml:13: feed `acme`: `settings.api_base_url`: plain http would send the credential in clear: `http://api.jumpcloud.com`

hint: use `https://`

error: feeds.toml:14: feed `acme`: `settings.event_types[1]`: `logins` is none of `login`, `admin`

hint: did you mean `login`?

error: feeds.toml:15: feed `acme`: `settings.start`: neither a duration nor a moment: `yesterday`

hint: like `24h`, `90d` or `[TIME]`

error: feeds.toml:16: feed `acme`: `settings.retention_days`: not a whole number from 1 to 3650: `0`
error: feeds.toml:17: feed `acme`: `settings.poll_intervall`: no such setting

hint: did you mean `poll_interval`?

error: feeds.toml:18: feed `acme`: `settings.org_ids[0]`: not an organisation id: `acme`

hint: 24 hex digits, as under Settings > Organization Profile in the Admin Portal

error: feeds.toml:21: feed `other`: `contakt`: there is no such key

hint: did you mean `contact`?

error: feeds.toml:22: feed `other`: `secrets.token`: the environment variable `NO_SUCH_VARIABLE` is not set

hint: set it for this process, or name another source: `file:PATH`

error: feeds.toml:23: feed `other`: `settings.late_horizon`: not a duration: a value of 6 characters

hint: a number and `s`, `m`, `h` or `d`, like `60s`

error: feeds.toml:23: feed `other`: `settings.include_raw`: neither true nor false: `"yes"`

"#]],
    );
}

#[test]
fn not_toml() {
    refused(
        "state_dir = state\n[feeds.acme\n",
        str![[r#"
error: feeds.toml:1: string values must be quoted, expected literal string
error: feeds.toml:2: unclosed table, expected `]`

"#]],
    );
}

#[test]
fn an_empty_file() {
    refused(
        "",
        str![[r#"
error: feeds.toml:1: `feeds`: no feed is configured

hint: add a table `[feeds.NAME]`


"#]],
    );
}

#[test]
fn a_plugin_is_missing() {
    refused(
        "[feeds.acme]\n",
        str![[r#"
error: feeds.toml:1: feed `acme`: `plugin`: the key is missing: the path of a plugin

hint: as in `plugin = "dist/PLUGIN.wasm"`


"#]],
    );
}

#[test]
fn a_plugin_that_is_not_there() {
    refused(
        "[feeds.acme]\nplugin = \"jumpclod.wasm\"\n",
        str![[r#"
error: feeds.toml:2: feed `acme`: `plugin`: the plugin `[FOLDER]/jumpclod.wasm` can't be read: No such file or directory (os error 2)

hint: relative paths count from the configuration file, those of flags from the working directory


"#]],
    );
}

#[test]
fn a_plugin_that_is_none() {
    refused(
        "[feeds.acme]\nplugin = \"feeds.toml\"\n",
        str![[r#"
error: feeds.toml:2: feed `acme`: `plugin`: `[FOLDER]/feeds.toml` is not a plugin: it is not WebAssembly

hint: a plugin is a component that exports `log-pipeline:source/source@0.1.0`


"#]],
    );
}

#[test]
fn a_plugin_that_is_cut_off() {
    let feed = Feed::at("http://127.0.0.1:9");
    let whole = std::fs::read(jumpcloud_tests::component()).unwrap();
    std::fs::write(feed.path("cut.wasm"), &whole[..whole.len() / 2]).unwrap();
    for command in [
        &["describe", "cut.wasm"][..],
        &["run", "--plugin", "cut.wasm"],
    ] {
        let told = feed.command(command).output().expect_code(2).stderr;
        assert!(told.contains("cut.wasm` is not a plugin: "), "{told}");
        assert!(
            told.contains("hint: the file is cut off, or no component"),
            "{told}"
        );
    }
}

#[test]
fn a_secret_in_a_folder() {
    refused(
        "[feeds.acme]\nplugin = \"[PLUGIN]\"\nsecrets = { token = \"file:.\" }\n",
        str![[r#"
error: feeds.toml:3: feed `acme`: `secrets.token`: the file `[FOLDER]/.` can't be read: Is a directory (os error 21)

hint: name the file that holds the secret


"#]],
    );
}

#[test]
fn a_plugin_with_another_pin() {
    let pin = "0".repeat(64);
    let toml = format!(
        "[feeds.acme]\nplugin = \"[PLUGIN]\"\nsha256 = \"{pin}\"\n\
         secrets = {{ token = \"env:JUMPCLOUD_API_KEY\" }}\n"
    );
    let feed = Feed::at("http://127.0.0.1:9");
    feed.configure(&toml);
    let ran = feed.once().output().expect_code(2);
    assert_data_eq!(
        told(&ran, &feed),
        str![[r#"
error: feeds.toml:3: feed `acme`: `sha256`: the plugin's is another: [SHA256]

hint: if you meant to change the plugin, change the pin too


"#]]
    );
}

#[test]
fn a_service_account_without_what_it_needs() {
    refused(
        "[feeds.acme]\nplugin = \"[PLUGIN]\"\n\
         settings = { authorization = \"service-account\", event_types = [\"Login\"] }\n\
         secrets = { token = \"env:JUMPCLOUD_API_KEY\" }\n",
        str![[r#"
error: feeds.toml:3: feed `acme`: `settings.client_id`: it is missing, and a service account needs it

hint: it is shown with the service account in the Admin Portal

error: feeds.toml:3: feed `acme`: `settings.event_types[0]`: `Login` is none of `login`, `admin`

hint: did you mean `login`?

error: feeds.toml:3: feed `acme`: `settings.org_ids`: it is missing, and a service account needs it

hint: 24 hex digits, as under Settings > Organization Profile in the Admin Portal

error: feeds.toml:4: feed `acme`: `secrets.client_secret`: the secret is missing

hint: `secrets.token`, which is given, goes with `authorization = "api-key"`
hint: A service account's client secret, shown once when it is made in the Admin Portal; its client id is the setting `client_id`.
hint: set it to `env:NAME` or `file:PATH`, as in `env:CLIENT_SECRET`


"#]],
    );
}

#[test]
fn two_feeds_that_would_write_one_file() {
    refused(
        "[defaults]\nplugin = \"[PLUGIN]\"\nsecrets = { token = \"env:JUMPCLOUD_API_KEY\" }\n\
         sink = { type = \"file\", path = \"out.ndjson\" }\n\
         settings = { api_base_url = \"http://127.0.0.1:9\" }\n[feeds.a]\n[feeds.b]\n",
        str![[r#"
error: feeds.toml:4: feed `b`: `sink.path`: `[FOLDER]/out.ndjson` is written by the feed `a` too

hint: give each feed a path of its own


"#]],
    );
}

#[test]
fn no_file() {
    let feed = Feed::at("http://127.0.0.1:9");
    std::fs::remove_file(feed.path("feeds.toml")).unwrap();
    let ran = feed.once().output().expect_code(2);
    assert_data_eq!(
        told(&ran, &feed),
        str![[r#"
error: feeds.toml: the configuration can't be read: No such file or directory (os error 2)

hint: name a file or a folder of files with `-c`, or use `--plugin`


"#]]
    );
}

#[test]
fn flags() {
    let feed = Feed::at("http://127.0.0.1:9");
    let plugin = jumpcloud_tests::component();
    let run = feed.command(&["run", "--once", "--secret", "token=env:NO_SUCH_VARIABLE"]);
    let sets = ["start=soon", "evnt_types=login", "include_raw=maybe"];
    let run = sets
        .into_iter()
        .fold(run, |run, set| run.arg("--set").arg(set));
    let ran = run.arg("--plugin").arg(plugin).output().expect_code(2);
    assert_data_eq!(
        told(&ran, &feed),
        str![[r#"
error: --secret token: feed `default`: `secrets.token`: the environment variable `NO_SUCH_VARIABLE` is not set

hint: set it for this process, or name another source: `file:PATH`

error: --set start: feed `default`: `settings.start`: neither a duration nor a moment: `soon`

hint: like `24h`, `90d` or `[TIME]`

error: --set include_raw: feed `default`: `settings.include_raw`: neither true nor false: `maybe`
error: --set evnt_types: feed `default`: `settings.evnt_types`: no such setting

hint: did you mean `event_types`?


"#]]
    );
}

#[test]
fn a_text_where_a_list_belongs() {
    let with = |value: &str| {
        format!(
            "[feeds.acme]\nplugin = \"[PLUGIN]\"\nsecrets = {{ token = \"env:JUMPCLOUD_API_KEY\" }}\n\
             settings = {{ event_types = \"{value}\" }}\n"
        )
    };
    refused(
        &with("login"),
        str![[r#"
error: feeds.toml:4: feed `acme`: `settings.event_types`: not a list: `login`

hint: write it as a list: `["login"]`


"#]],
    );
    refused(
        &with("login,admin"),
        str![[r#"
error: feeds.toml:4: feed `acme`: `settings.event_types`: not a list: `login,admin`

hint: write it as a list: `["login","admin"]`


"#]],
    );
}

#[test]
fn a_wrong_sink_is_told_once() {
    let with = |sink: &str| {
        let secret = r#"secrets = { token = "env:JUMPCLOUD_API_KEY" }"#;
        format!("[feeds.acme]\nplugin = \"[PLUGIN]\"\n{secret}\nsink = {sink}\n")
    };
    refused(
        &with(r#""out.ndjson""#),
        str![[r#"
error: feeds.toml:4: feed `acme`: `sink`: expected a table

hint: as in `{ type = "file", path = "out/{class}.ndjson" }`


"#]],
    );
    refused(
        &with(r#"{ path = "out.ndjson" }"#),
        str![[r#"
error: feeds.toml:4: feed `acme`: `sink.type`: the key is missing: the kind of sink

hint: add `type = "file"`


"#]],
    );
    refused(
        &with(r#"{ type = "file" }"#),
        str![[r#"
error: feeds.toml:4: feed `acme`: `sink.path`: the key is missing: where the events go

hint: as in `path = "out/{class}.ndjson"`


"#]],
    );
    refused(
        &with(r#"{ type = "file", path = "out/{klass}.ndjson" }"#),
        str![[r#"
error: feeds.toml:4: feed `acme`: `sink.path`: `{klass}` is none of `{class}`, `{date}`, `{feed}`, `{partition}`

"#]],
    );
    refused(
        &with(
            r#"{ type = "http", url = "http://collector.example", body = "xml", headers = { Authorization = "Bearer x", Host = "y" } }"#,
        ),
        str![[r#"
error: feeds.toml:4: feed `acme`: `sink.body`: `xml` is not known

hint: it is one of: array, ndjson

error: feeds.toml:4: feed `acme`: `sink.url`: plain http would send events and credentials in clear

hint: use `https://`; plain http is for this machine only

error: feeds.toml:4: feed `acme`: `sink.headers.Authorization`: the value of this header is a secret, and not written here

hint: name where it is: `{ prefix = "Bearer ", secret = "env:NAME" }`, or with `secret = "file:PATH"`

error: feeds.toml:4: feed `acme`: `sink.headers.Host`: this header is set by this program

hint: leave it out


"#]],
    );
}

#[test]
fn a_pin_of_another_form() {
    refused(
        "[feeds.acme]\nplugin = \"[PLUGIN]\"\nsha256 = \"abc\"\nsecrets = { token = \"env:JUMPCLOUD_API_KEY\" }\n",
        str![[r#"
error: feeds.toml:3: feed `acme`: `sha256`: expected 64 hex digits

hint: `source-host describe PLUGIN.wasm` prints it


"#]],
    );
}
