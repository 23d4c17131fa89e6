//! The options of a job as arguments of a command line: a flag for those that have one, `--set` for all.

use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{FIELDS, Field, Kind, Origin, SettingError, Settings, Value, named};
use crate::runtime::JobOptions;

/// The options of `run`. Programs with options of their own flatten it into theirs.
///
/// There is a flag for each option that the list gives one, and `--set KEY=VALUE` for all; `docs/configuration.md`
/// describes them. What is given here wins over what the program sets.
///
/// # Example
/// ```
/// use clap::Parser;
/// use millstream::ops::RunArgs;
///
/// #[derive(Parser)]
/// struct Cli {
///     #[command(flatten)]
///     run: RunArgs,
///     /// Where the orders are.
///     #[arg(long)]
///     orders: String,
/// }
///
/// let line = ["shop", "--orders", "orders/", "--parallelism", "4", "--set", "checkpoint.timeout=1min"];
/// let options = Cli::parse_from(line).run.options().parallelism(2);
/// let set = options.settings().map(|setting| setting.to_string()).collect::<Vec<_>>();
/// assert!(set.contains(&"runtime.parallelism = 4 (command line)".to_owned()));
/// assert!(set.contains(&"checkpoint.timeout = 1min (command line)".to_owned()));
/// assert!(set.contains(&"checkpoint.interval = 10s (default)".to_owned()));
/// ```
#[derive(Debug, Clone, Default)]
pub struct RunArgs {
    settings: Settings,
}

/// The argument that sets any option.
const SET: &str = "set";

impl RunArgs {
    /// The options of the job that these arguments ask for.
    #[must_use]
    pub fn options(&self) -> JobOptions {
        JobOptions::of(self.settings.clone())
    }
}

/// `KEY=VALUE`, read.
#[derive(Clone)]
struct Assignment {
    field: &'static Field,
    value: Value,
}

impl Assignment {
    fn read(text: &str) -> Result<Self, SettingError> {
        let (name, value) = text.split_once('=').ok_or_else(|| SettingError::NoValue { text: text.to_owned() })?;
        let field = named(name.trim())?;
        Ok(Self { field, value: field.read(value)? })
    }
}

/// The flag of an option.
fn flag_of(field: &'static Field, flag: &'static str) -> Arg {
    let (first, _) = field.doc().split_once('.').unwrap_or((field.doc(), ""));
    let arg = Arg::new(field.name()).long(flag);
    match field.kind() {
        Kind::Switch => arg.help(first.trim().to_owned()).action(ArgAction::SetTrue),
        kind => {
            let (value_name, parser): (_, ValueParser) = match kind {
                Kind::Path => ("PATH", clap::value_parser!(PathBuf)),
                Kind::Time { .. } => ("TIME", ValueParser::new(|text: &str| field.read(text))),
                Kind::Bytes { .. } => ("BYTES", ValueParser::new(|text: &str| field.read(text))),
                Kind::Choice { .. } => ("WORD", ValueParser::new(|text: &str| field.read(text))),
                _ => ("N", ValueParser::new(|text: &str| field.read(text))),
            };
            arg.help(format!("{} [default: {}]", first.trim(), field.default()))
                .value_name(value_name)
                .value_parser(parser)
        }
    }
}

/// The value that a flag was given, if it was.
fn given(matches: &ArgMatches, field: &'static Field) -> Option<Value> {
    if matches.value_source(field.name()) != Some(ValueSource::CommandLine) {
        return None;
    }
    match field.kind() {
        Kind::Switch => Some(Value::Switch(matches.get_flag(field.name()))),
        // A path need not be text, unless it is the word for none.
        Kind::Path => matches.get_one::<PathBuf>(field.name()).map(|path| match path.to_str().map(|t| field.read(t)) {
            Some(Ok(value)) => value,
            _ => Value::Path(path.clone()),
        }),
        _ => matches.get_one::<Value>(field.name()).cloned(),
    }
}

impl Args for RunArgs {
    fn augment_args(command: Command) -> Command {
        let flags = FIELDS.iter().filter_map(|field| Some(flag_of(field, field.flag()?)));
        let set = Arg::new(SET)
            .long(SET)
            .value_name("KEY=VALUE")
            .help("Set an option by its name, like checkpoint.timeout=5min; may be given again")
            .action(ArgAction::Append)
            .value_parser(Assignment::read);
        command.args(flags).arg(set)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RunArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut arguments = Self::default();
        arguments.update_from_arg_matches(matches)?;
        Ok(arguments)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let by_flag = FIELDS.iter().filter(|field| field.flag().is_some());
        let by_flag = by_flag.filter_map(|field| Some(Assignment { field, value: given(matches, field)? }));
        let by_name = matches.get_many::<Assignment>(SET).into_iter().flatten().cloned();
        let mut all = Vec::<Assignment>::new();
        for Assignment { field, value } in by_flag.chain(by_name) {
            if let Some(first) = all.iter().find(|known| known.field.name() == field.name()) {
                let (first, second) = (field.show(&first.value), field.show(&value));
                let twice = SettingError::Twice { name: field.name(), first, second };
                return Err(clap::Error::raw(ErrorKind::ArgumentConflict, format!("{twice}\n")));
            }
            self.settings.insert(field, value.clone(), Origin::CommandLine);
            all.push(Assignment { field, value });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<RunArgs, clap::Error> {
        let command = RunArgs::augment_args(Command::new("job").no_binary_name(true));
        RunArgs::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    fn set_by(arguments: &[&str]) -> String {
        format!("{:?}", parse(arguments).expect("the arguments are right").options())
    }

    fn message(arguments: &[&str]) -> String {
        parse(arguments).expect_err("the arguments are wrong").to_string()
    }

    #[test]
    fn flags_and_names_set_the_same_options() {
        let flags = ["--state-dir", "s", "--parallelism", "4", "--fresh", "--checkpoint-interval", "100ms"];
        let names = [
            "--set",
            "state.directory=s",
            "--set",
            "runtime.parallelism=4",
            "--set",
            "state.fresh=true",
            "--set",
            "checkpoint.interval=100ms",
        ];
        assert_eq!(set_by(&flags), set_by(&names));
        assert_eq!(
            set_by(&flags),
            r#"JobOptions {"checkpoint.interval": "100ms", "runtime.parallelism": "4", "state.directory": "s", "state.fresh": "true"}"#
        );
        assert_eq!(set_by(&[]), "JobOptions {}");
    }

    #[test]
    fn every_flag_of_the_list_takes_the_default_of_its_option() {
        for field in FIELDS.iter().filter(|field| field.flag().is_some()) {
            let flag = format!("--{}", field.flag().expect("it has one"));
            let value = field.write(&field.default_value());
            let arguments = if matches!(field.kind(), Kind::Switch) { vec![&*flag] } else { vec![&*flag, &value] };
            assert!(parse(&arguments).is_ok(), "{arguments:?}");
        }
    }

    #[test]
    fn mistakes_name_option_value_and_range() {
        let unknown = message(&["--set", "checkpoint.intervall=1s"]);
        assert!(unknown.contains("did you mean 'checkpoint.interval'?"), "{unknown}");
        let out_of_range = message(&["--parallelism", "0"]);
        assert!(out_of_range.contains("runtime.parallelism = 0 is out of range: 1 to 32768"), "{out_of_range}");
        let malformed = message(&["--set", "memory.state=much"]);
        assert!(malformed.contains("memory.state = 'much' cannot be read: expected a size like 512MiB"), "{malformed}");
        let no_value = message(&["--set", "memory.state"]);
        assert!(no_value.contains("'memory.state' is not of the form KEY=VALUE"), "{no_value}");
    }

    #[test]
    fn option_that_is_set_twice_is_refused() {
        let twice = message(&["--parallelism", "4", "--set", "runtime.parallelism=8"]);
        assert!(twice.contains("runtime.parallelism is set twice: to 4, and to 8"), "{twice}");
        let by_name = message(&["--set", "runtime.seed=1", "--set", "runtime.seed=2"]);
        assert!(by_name.contains("runtime.seed is set twice: to 1, and to 2"), "{by_name}");
    }

    #[test]
    fn help_shows_each_flag_with_its_default() {
        let help = RunArgs::augment_args(Command::new("job")).render_help().to_string();
        assert!(help.contains("--checkpoint-interval <TIME>"), "{help}");
        assert!(help.contains("[default: 10s]") && help.contains("[default: one per core]"), "{help}");
        assert!(help.contains("--set <KEY=VALUE>"), "{help}");
    }
}
