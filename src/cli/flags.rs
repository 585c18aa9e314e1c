//! The flags of `serve` and `check`, made from the table of settings, taken as they are written.
//!
//! clap only splits them: a value that makes no sense is then told together with the mistakes in file and
//! environment, and not alone.

use crate::config::{Given, SETTINGS};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// What was written on the command line.
#[derive(Clone, Debug, Default)]
pub struct Flags(Given);

impl Flags {
    /// Together with the environment of this process.
    pub fn with_environment(mut self) -> Given {
        // A name or value that is not UTF-8 is compared and shown as well as it can be, and is then a mistake.
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        self.0.environment = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        self.0.environment.sort();
        self.0
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().fold(command, |command, setting| {
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

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in SETTINGS {
            if let Some(values) = matches.get_many::<String>(setting.key) {
                self.0.flags.insert(setting.key, values.cloned().collect());
            }
        }
        Ok(())
    }
}
