//! Flags made from the tables of settings, taken as they are written.
//!
//! clap only splits them: a value that makes no sense is then told together with the mistakes in file and
//! environment, and not alone.

use crate::config::{Given, Setting, all_settings, of_topics};
use crate::host::hostname;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// What was written on the command line of `serve` or `check`.
#[derive(Clone, Debug, Default)]
pub struct Flags(Given);

/// What was written on the command line of `topics`: the settings about Kafka, and the file.
#[derive(Clone, Debug, Default)]
pub struct KafkaFlags(Given);

impl Flags {
    /// Together with the environment of this process and the name of this machine.
    pub fn with_environment(self) -> Given {
        with_environment(self.0)
    }
}

impl KafkaFlags {
    /// Together with the environment of this process.
    pub fn with_environment(self) -> Given {
        with_environment(self.0)
    }
}

fn with_environment(mut given: Given) -> Given {
    // A name or value that is not UTF-8 is compared and shown as well as it can be, and is then a mistake.
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    given.environment = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
    given.environment.sort();
    given.hostname = hostname();
    given
}

fn augment(command: Command, settings: impl Iterator<Item = &'static Setting>) -> Command {
    settings.fold(command, |command, setting| {
        let action = if setting.many { ArgAction::Append } else { ArgAction::Set };
        let help = match setting.default {
            Some(default) => format!("{} [default: {default}]", setting.help),
            None => setting.help.to_owned(),
        };
        command.arg(
            Arg::new(setting.key)
                .long(setting.flag())
                .value_name(setting.value)
                .help(help)
                .help_heading(setting.group)
                .action(action),
        )
    })
}

fn take(given: &mut Given, matches: &ArgMatches, settings: impl Iterator<Item = &'static Setting>) {
    for setting in settings {
        if let Some(values) = matches.get_many::<String>(setting.key) {
            given.flags.insert(setting.key, values.cloned().collect());
        }
    }
}

/// What clap needs to know of flags that a table of settings has.
macro_rules! flags_of {
    ($name:ident, $settings:expr) => {
        impl Args for $name {
            fn augment_args(command: Command) -> Command {
                augment(command, $settings)
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }

        impl FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                let mut flags = Self::default();
                flags.update_from_arg_matches(matches)?;
                Ok(flags)
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                take(&mut self.0, matches, $settings);
                Ok(())
            }
        }
    };
}

flags_of!(Flags, all_settings());
flags_of!(KafkaFlags, of_topics());
