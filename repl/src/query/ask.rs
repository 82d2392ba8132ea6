//! A question that is put to a monitor over HTTP, and its answer as it comes.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;

use como_core::query::Far;
use como_core::render::{Format as Written, Reader, Told};
use como_web::Language;
use ureq::http::Uri;

use super::pairs;
use super::show::Seen;
use super::told::say_told;
use super::url::whole;
use crate::catalogue;
use crate::cli::{AnswerFormat, Format, Query};
use crate::error::{Failure, Result, say, with_causes};
use crate::progress::{Curtain, Progress};

/// How long a monitor has to take a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// How much of a refusal is read.
const REFUSAL_BYTES: u64 = 16 << 10;

type Response = ureq::http::Response<ureq::Body>;

/// Whether a monitor listens at an address.
pub fn is_listening(url: &str) -> bool {
    let address = url.strip_prefix("http://").unwrap_or(url);
    let address = address.parse::<std::net::SocketAddr>();
    address.is_ok_and(|address| std::net::TcpStream::connect_timeout(&address, CONNECT).is_ok())
}

/// Asks, and hands the answer on as it comes.
pub fn ask(url: &str, args: &Query, format: AnswerFormat) -> Result {
    let url = &whole(url)?;
    let mut response = send(url, args, format)?;
    if !response.headers().contains_key(como_web::VERSION) {
        return Err(stranger(url, &response));
    }
    if let Some(missed) = response.headers().get(como_web::MISSED).and_then(|h| h.to_str().ok()) {
        say(missed);
    }
    if !response.status().is_success() {
        return Err(refusal(url, &mut response));
    }
    let told = response.headers().get(como_web::SOURCES).and_then(|told| told.to_str().ok());
    let told = told.map(str::to_owned);
    let run = response.headers().get(como_web::RUN).and_then(|run| run.to_str().ok()?.parse().ok());
    let mut progress = Progress::new(false);
    if let Some(run) = run {
        let status = format!("{}/status", url.trim_end_matches('/'));
        let agent = agent();
        progress.follow(move || far(&agent, &status, run).unwrap_or_default());
    }
    let is_table = format == AnswerFormat::Records(Format::Table);
    let (body, curtain) = (response.body_mut().as_reader(), progress.curtain());
    let handed = match is_table {
        true => shown(url, &args.module, BufReader::new(body), &curtain),
        false => hand_on(url, body, &curtain),
    };
    progress.finish();
    handed?;
    told.iter().for_each(|told| say_told(told, is_table));
    Ok(())
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    config.http_status_as_error(false).timeout_connect(Some(CONNECT)).build().into()
}

/// How far a run is, as the monitor's status says.
fn far(agent: &ureq::Agent, status: &str, run: u64) -> Option<Far> {
    let asked = agent.get(status).config().timeout_global(Some(CONNECT)).build();
    let text = asked.call().ok()?.body_mut().read_to_string().ok()?;
    let status: serde_json::Value = serde_json::from_str(&text).ok()?;
    let ours = status["runs"].as_array()?.iter().find(|one| one["run"] == run)?;
    Some(Far {
        read_bytes: ours["read_bytes"].as_u64()?,
        size_bytes: ours["size_bytes"].as_u64(),
        packets: ours["packets"].as_u64()?,
        ..Far::default()
    })
}

/// Puts the question, with the script where there is one.
fn send(url: &str, args: &Query, format: AnswerFormat) -> Result<Response> {
    let agent = agent();
    let name = match format {
        // It is laid out here, where the terminal is.
        AnswerFormat::Records(Format::Table) => Written::Typed.name(),
        AnswerFormat::Records(format) => format.written().name(),
        AnswerFormat::Packets(capture) => capture.name(),
    };
    let address = url.trim_end_matches('/');
    let called = match script(&args.module)? {
        Some((language, text)) => {
            let others = pairs(args).into_iter().filter(|(key, _)| key != "module");
            let request = agent.post(format!("{address}/query")).query_pairs(others);
            let request = request.query("module", catalogue::stem(&args.module));
            request.query("format", name).content_type(language.mime()).send(&text)
        }
        None => {
            let request = agent.get(format!("{address}/")).query_pairs(pairs(args));
            request.query("format", name).call()
        }
    };
    called.map_err(|error| unanswered(url, &error))
}

/// That something else answers where a monitor should: what it says answers nothing.
fn stranger(url: &str, response: &Response) -> Failure {
    let what = format!("no monitor answers at {url}, but another server ({})", response.status());
    Failure::new(what).hint("a monitor is asked where `listen` under [http] says")
}

/// Why there is no answer, in the monitor's words.
fn refusal(url: &str, response: &mut Response) -> Failure {
    let (mut text, status) = (String::new(), response.status());
    // A body that breaks off still says something.
    let _ = response.body_mut().as_reader().take(REFUSAL_BYTES).read_to_string(&mut text);
    match (text.trim(), status.is_client_error()) {
        ("", _) => Failure::new(format!("{url} answers {status}")),
        (text, true) => Failure::usage(text),
        (text, false) => Failure::new(text),
    }
}

/// Writes an answer to standard output, records that come one at a time one at a time.
fn hand_on(url: &str, mut body: impl Read, curtain: &Curtain) -> Result {
    let mut out = io::stdout();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = match body.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other.map_err(|error| lost(url, &error))?,
        };
        match buffer.get(..read) {
            Some(part) if !part.is_empty() => {
                curtain.behind(|| out.write_all(part).and_then(|()| out.flush()))?;
            }
            _ => return Ok(()),
        }
    }
}

/// The longest line of an answer with its types that is read.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Shows an answer that came with its types as the table that it would be from a store here.
fn shown(url: &str, name: &str, mut body: impl BufRead, curtain: &Curtain) -> Result {
    let (mut seen, mut reader) = (Seen::new(name, curtain), Reader::default());
    let (mut line, mut why) = (String::new(), None::<String>);
    loop {
        line.clear();
        let told = match body.by_ref().take(LINE_BYTES_MAX).read_line(&mut line) {
            Ok(0) if reader.is_whole() && why.is_none() => return Ok(()),
            Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "it ends too early")),
            other => other,
        };
        let told = match told {
            Ok(_) => reader.line(&line).map_err(|error| Failure::new(format!("{url}: {error}")))?,
            Err(error) => {
                reader.rest().iter().try_for_each(|rest| seen.output(rest))?;
                seen.flush()?;
                let Some(why) = why else { return Err(lost(url, &error)) };
                return Err(Failure::new(broke_off(url, &why)));
            }
        };
        match told {
            None => continue,
            Some(Told::Output(output)) => seen.output(&output)?,
            Some(Told::Damaged(what)) => seen.damaged(&what)?,
            Some(Told::Alert(alert)) => seen.alert(&alert)?,
            Some(Told::Broken(said)) => why = Some(said),
        }
        seen.flush()?;
    }
}

fn broke_off(url: &str, why: &str) -> String {
    format!("{url} broke off: {why}")
}

/// Why an answer broke off that did not say so itself, or said it to others.
fn lost(url: &str, error: &io::Error) -> Failure {
    let failure = Failure::new(broke_off(url, &error.to_string()));
    failure.hint("the monitor ended, or what was followed does not run any more")
}

/// The script that is named in place of an instance: the monitor cannot read it, so it is sent.
fn script(name: &str) -> Result<Option<(Language, String)>> {
    let path = Path::new(name);
    if !catalogue::is_path(name) || !path.exists() {
        return Ok(None);
    }
    let language = if name.ends_with(".rhai") { Language::Rhai } else { Language::Lua };
    let text = como_scripting::read(path);
    let text =
        text.map_err(|e| Failure::new(format!("cannot read `{name}`: {}", with_causes(&e))))?;
    Ok(Some((language, text)))
}

fn unanswered(url: &str, error: &ureq::Error) -> Failure {
    let what = format!("no answer from {url}: {}", with_causes(error));
    let has_port = url.parse::<Uri>().is_ok_and(|url| url.port().is_some());
    Failure::new(what).hint(match has_port {
        true => "is `como serve` running there? --store DIR reads its store",
        false => {
            "without a port it is asked at 80; `como serve` listens at 44444, or where it says"
        }
    })
}
