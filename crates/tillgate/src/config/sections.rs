//! All settings of the process, section by section, with their types forgotten where they are only read and written.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use model::setting::{Mark, Setting, Value};

use super::values::{Folder, Listeners, LogFormat, LogLevel};

model::settings! {
    /// Where the process listens and keeps its data.
    pub struct Server {
        /// Where peers connect: addresses, each followed by what is special about it: `tls`, `proxy-protocol`,
        /// `operators`. Without `tls` other than loopback addresses need `allow_plaintext_behind_proxy`.
        pub listen: Listeners = Listeners(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)).into()]), 0..=0, Choice;
        /// The folder of the database, made when it is not there; one gateway has it at a time.
        pub data: Folder = Folder("tillgate-data".into()), 0..=0, Choice;
    }
}

model::settings! {
    /// What is logged, to stderr.
    pub struct Log {
        /// How lines look: for people or for programs.
        pub format: LogFormat = LogFormat::Text, 0..=0, Choice;
        /// The least important lines that are written.
        pub level: LogLevel = LogLevel(tracing::Level::INFO), 0..=0, Choice;
    }
}

/// Every setting there is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    pub(crate) server: Server,
    pub(crate) log: Log,
    pub(crate) tls: gateway::Tls,
    pub(crate) gateway: gateway::Settings,
    pub(crate) node: node::Bounds,
    pub(crate) dialects: dialects::Config,
}

impl Configuration {
    /// The sections in the order of the documentation.
    pub(crate) fn sections(&mut self) -> Vec<Section<'_>> {
        vec![
            Section::new("server", "Where the process listens and keeps its data.", Server::SETTINGS, &mut self.server),
            Section::new("log", "What is logged, to stderr.", Log::SETTINGS, &mut self.log),
            Section::new(
                "tls",
                "The certificate of the listeners that speak TLS.",
                gateway::Tls::SETTINGS,
                &mut self.tls,
            ),
            Section::new(
                "gateway",
                "Sockets: how many, how long, how much.",
                gateway::Settings::SETTINGS,
                &mut self.gateway,
            ),
            Section::new("node", "Bounds of one core.", node::Bounds::SETTINGS, &mut self.node),
            Section::new(
                "modulus",
                "The Modulus Terminal Gateway: tills, terminals and payments.",
                dialects::modulus::Choices::SETTINGS,
                Arc::make_mut(&mut self.dialects.modulus),
            ),
            Section::new(
                "boop",
                "The BOOP vendor socket and its scanners.",
                dialects::boop::Choices::SETTINGS,
                Arc::make_mut(&mut self.dialects.boop),
            ),
        ]
    }
}

/// One section.
pub(crate) struct Section<'a> {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    keys: Box<dyn Keys + 'a>,
}

impl<'a> Section<'a> {
    fn new<C>(name: &'static str, about: &'static str, settings: &'static [Setting<C>], values: &'a mut C) -> Self {
        Self { name, about, keys: Box::new(Typed { settings, values }) }
    }

    /// Its settings, in order.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.keys.all()
    }

    /// The setting of that name.
    pub(crate) fn key(&self, name: &str) -> Option<Key> {
        self.keys().into_iter().find(|key| key.name == name)
    }

    /// Puts a value in, or says what would be right.
    pub(crate) fn set(&mut self, key: &Key, value: Value) -> Result<(), String> {
        self.keys.set(key.index, value)
    }

    /// What a setting takes, in words.
    pub(crate) fn right(&mut self, key: &Key) -> String {
        let of_another_kind = match key.value {
            Value::Switch(_) => Value::Count(0),
            Value::Count(_) | Value::Text(_) | Value::Texts(_) => Value::Switch(false),
        };
        self.set(key, of_another_kind).err().unwrap_or_default()
    }
}

/// One setting with its present value.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) mark: Mark,
    pub(crate) value: Value,
    about: &'static str,
    index: usize,
}

impl Key {
    /// What it means, in one line.
    pub(crate) fn about(&self) -> String {
        self.about.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The variable that sets it.
    pub(crate) fn variable(&self, section: &str) -> String {
        format!("{}{section}_{}", super::PREFIX, self.name).to_uppercase()
    }
}

trait Keys {
    fn all(&self) -> Vec<Key>;
    fn set(&mut self, index: usize, value: Value) -> Result<(), String>;
}

struct Typed<'a, C: 'static> {
    settings: &'static [Setting<C>],
    values: &'a mut C,
}

impl<C> Keys for Typed<'_, C> {
    fn all(&self) -> Vec<Key> {
        let key = |(index, setting): (usize, &'static Setting<C>)| Key {
            name: setting.name,
            mark: setting.mark,
            value: (setting.get)(self.values),
            about: setting.about,
            index,
        };
        self.settings.iter().enumerate().map(key).collect()
    }

    fn set(&mut self, index: usize, value: Value) -> Result<(), String> {
        let setting = self.settings.get(index).ok_or_else(|| "a setting that exists".to_owned())?;
        (setting.set)(self.values, value)
    }
}
