//! Kinds of settings that only the process itself has: addresses, folders, words of the log.

use std::path::PathBuf;

use gateway::{BadListen, Listen};
use model::setting::{Plain, Value};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listeners(pub(crate) Vec<Listen>);

impl Plain for Listeners {
    fn value(&self) -> Value {
        Value::Texts(self.0.iter().map(ToString::to_string).collect())
    }

    fn from_value(value: Value, least: u64, most: u64) -> Result<Self, String> {
        let right =
            "a list such as [\"127.0.0.1:8080\", \"[::]:8443 tls\"], with the words tls, proxy-protocol, operators";
        let texts = Vec::<String>::from_value(value, least, most).unwrap_or_default();
        let listeners: Result<Vec<Listen>, BadListen> = texts.iter().map(|text| text.parse()).collect();
        match listeners {
            Ok(listeners) if !listeners.is_empty() => Ok(Self(listeners)),
            Ok(_) | Err(BadListen) => Err(right.to_owned()),
        }
    }
}

/// A folder, from the working folder when it is not absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Plain for Folder {
    fn value(&self) -> Value {
        Value::Text(self.0.to_string_lossy().into_owned())
    }

    fn from_value(value: Value, _: u64, _: u64) -> Result<Self, String> {
        match value {
            Value::Text(text) if !text.is_empty() => Ok(Self(text.into())),
            _ => Err("the path of a folder".to_owned()),
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Plain for LogFormat {
    fn value(&self) -> Value {
        Value::Text(match self {
            Self::Text => "text".to_owned(),
            Self::Json => "json".to_owned(),
        })
    }

    fn from_value(value: Value, _: u64, _: u64) -> Result<Self, String> {
        match value {
            Value::Text(text) if text == "text" => Ok(Self::Text),
            Value::Text(text) if text == "json" => Ok(Self::Json),
            _ => Err("\"text\" or \"json\"".to_owned()),
        }
    }
}

/// The least important lines that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogLevel(pub(crate) tracing::Level);

impl Plain for LogLevel {
    fn value(&self) -> Value {
        Value::Text(self.0.as_str().to_lowercase())
    }

    fn from_value(value: Value, _: u64, _: u64) -> Result<Self, String> {
        let right = || "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"".to_owned();
        let Value::Text(text) = value else { return Err(right()) };
        let levels = [
            tracing::Level::ERROR,
            tracing::Level::WARN,
            tracing::Level::INFO,
            tracing::Level::DEBUG,
            tracing::Level::TRACE,
        ];
        levels.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(&text)).map(Self).ok_or_else(right)
    }
}
