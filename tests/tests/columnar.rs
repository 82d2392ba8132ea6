//! Arrow, Parquet and `como export`, as DuckDB and pandas read them.
//!
//! The command with feature `columnar` is `como-columnar` beside the plain one;
//! `make columnar` puts it there, and names in `COMO_PYTHON` a Python that has
//! pyarrow, pandas and duckdb. Without the one or the other a test is skipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use como_tests::{Folder, Ran, Serving, binary};

/// Whatever is read has 40,000 packets over two days and a half, each time that it is read.
const CONFIG: &str = "[http]\nlisten = \"127.0.0.1:0\"\n[store]\nagain = true\n\
    [[source]]\nuse = \"gen:packets=40000,duration=200000s,seed=3\"\n\
    [[module]]\nname = \"top 5.1\"\nuse = \"topaddr\"\nargs = { interval = \"600s\", n = 5 }\n\
    [[module]]\nname = \"t\"\nuse = \"traffic\"\nargs = { interval = \"60s\" }\n";

/// The command that writes columns, where it was built.
#[expect(clippy::print_stderr, reason = "a skipped test should say so")]
fn columnar() -> Option<PathBuf> {
    let path = binary().with_file_name("como-columnar");
    if !path.exists() {
        eprintln!("skipped: there is no `como-columnar`; `make columnar` builds it");
    }
    path.exists().then_some(path)
}

fn run(command: &Path, folder: &Folder, args: &[&str]) -> Ran {
    let out = Command::new(command).args(args).current_dir(folder.path()).output();
    let out = out.expect("the command starts");
    Ran {
        code: out.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
    }
}

/// What a Python with the libraries prints of files in the folder; nothing where there is none.
#[expect(clippy::print_stderr, reason = "a skipped test should say so")]
fn python(folder: &Folder, script: &str) -> Option<String> {
    let python = std::env::var("COMO_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python).args(["-c", "import pyarrow, pandas, duckdb"]).output();
    if !has.is_ok_and(|out| out.status.success()) {
        eprintln!(
            "skipped: `{python}` has no pyarrow, pandas and duckdb; `make columnar` gets them"
        );
        return None;
    }
    let out = Command::new(&python).args(["-c", script]).current_dir(folder.path()).output();
    let out = out.expect("it ran a moment ago");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8(out.stdout).expect("UTF-8"))
}

/// A store of two instances, left by a monitor that has ended.
fn stored() -> Folder {
    let folder = Folder::new();
    folder.write("como.toml", CONFIG);
    Serving::start(binary(), &folder).end();
    folder
}

/// The files below a folder, with their bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in dir.read_dir().expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() => open.push(path),
                path => {
                    let name = path.strip_prefix(folder).expect("below it");
                    let bytes = std::fs::read(&path).expect("a file");
                    found.push((name.to_string_lossy().into_owned(), bytes));
                }
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_build_without_columns_says_how_to_get_one_with_them() {
    let folder = Folder::new();
    let how = "cargo build --release --package como --features columnar";
    let source = "gen:packets=10";
    for format in ["arrow", "parquet"] {
        folder.como(["run", "traffic", "-s", source, "--format", format]).refused(2, &[how]);
        folder.como(["query", "t", "--store", "x", "--format", format]).refused(2, &[how]);
    }
    folder.como(["export", "--to", "lake"]).refused(2, &[how]);
}

#[test]
fn arrow_and_parquet_have_types_and_units() {
    let Some(como) = columnar() else { return };
    let folder = Folder::new();
    for format in ["arrow", "parquet", "ndjson"] {
        let args = ["run", "topaddr", "-s", "gen:packets=20000,duration=30s,seed=3", "-q"];
        let out = Command::new(&como).args(args).args(["--format", format]).output();
        let out = out.expect("the command starts");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        folder.write(&format!("top.{format}"), out.stdout);
    }
    let said = python(
        &folder,
        r#"
import json
import duckdb, pandas, pyarrow.ipc, pyarrow.parquet
want = [json.loads(line) for line in open("top.ndjson")]
parquet = pyarrow.parquet.read_table("top.parquet")
arrow = pyarrow.ipc.open_stream("top.arrow").read_all()
for table in [parquet, arrow]:
    assert str(table.schema.field("ts").type) == "timestamp[ns, tz=UTC]", table.schema
    assert str(table.schema.field("bytes").type) == "uint64", table.schema
    assert table.schema.field("bytes").metadata[b"unit"] == b"bytes", table.schema
    rows = table.to_pylist()
    assert [r["addr"] for r in rows] == [w["addr"] for w in want]
    assert [r["bytes"] for r in rows] == [w["bytes"] for w in want]
    starts = [r["ts"].strftime("%Y-%m-%dT%H:%M:%SZ") for r in rows]
    assert starts == [w["ts"] for w in want]
assert str(arrow.schema.field("addr").type) == "dictionary<values=string, indices=int32, ordered=0>"
frame = pandas.read_parquet("top.parquet")
assert str(frame.dtypes["ts"]) == "datetime64[ns, UTC]", frame.dtypes
assert frame["bytes"].sum() == sum(w["bytes"] for w in want)
query = "select count(*), sum(bytes), count(distinct addr) from 'top.parquet'"
stream = query.replace("'top.parquet'", "arrow")
assert duckdb.sql(query).fetchall() == duckdb.sql(stream).fetchall()
types = duckdb.sql("select typeof(ts), typeof(addr), typeof(bytes) from 'top.parquet'").fetchall()
print(*types[0], len(want))
"#,
    );
    let Some(said) = said else { return };
    assert!(said.starts_with("TIMESTAMP"), "{said}");
    assert!(said.contains(" VARCHAR UBIGINT "), "{said}");
}

#[test]
fn an_export_is_a_folder_a_day_and_is_not_done_twice() {
    let Some(como) = columnar() else { return };
    let folder = stored();
    let export = |args: &[&str]| {
        let args = [&["export", "--store", "store", "--to", "lake"], args].concat();
        run(&como, &folder, &args).ok().stderr
    };
    // The first day and a half, then the rest: a day is written anew, the first is left alone.
    let half = "2024-01-01T00:00:00Z:2024-01-02T12:00:00Z";
    assert!(export(&["t", "--time", half]).contains("t: 2,160 rows in 2 files"));
    let lake = folder.path().join("lake");
    let before = files(&lake);
    assert_eq!(before[0].0, "module=t/date=2024-01-01/part-0.parquet");
    assert!(export(&["t"]).contains("t: 1,894 rows in 2 files"));
    let after = files(&lake);
    assert_eq!((before.len(), after.len()), (2, 3));
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
    // All of the rest; then nothing any more.
    assert!(export(&[]).contains("top 5.1: 1,670 rows in 3 files"));
    let all = files(&lake);
    let again = export(&[]);
    assert!(again.contains("t: nothing new") && again.contains("top 5.1: nothing new"), "{again}");
    assert_eq!(files(&lake), all);
    // What an export that was killed left is no file, and in nobody's way.
    folder.write("lake/module=t/date=2024-01-03/.part-0.parquet.new", "half");
    std::fs::remove_file(lake.join("module=t/date=2024-01-03/part-0.parquet"))
        .expect("it is there");
    assert!(export(&["t"]).contains("t: 454 rows in 1 file"));
    assert_eq!(files(&lake), all);

    let said = python(
        &folder,
        r#"
import duckdb
import pyarrow.dataset
lake = "read_parquet('lake/*/*/*.parquet', hive_partitioning=true, union_by_name=true)"
days = f"select module, date, count(*) from {lake} group by all order by all"
for row in duckdb.sql(days).fetchall():
    print(*row)
assert duckdb.sql(f"select count(*) from {lake} where date != ts::date").fetchall() == [(0,)]
counts = f"select count(*), count(distinct ts) from {lake} where module = 't'"
assert duckdb.sql(counts).fetchall() == [(3334, 3334)]
assert pyarrow.dataset.dataset("lake/module=t", partitioning="hive").count_rows() == 3334
"#,
    );
    let Some(said) = said else { return };
    assert!(
        said.contains("t 2024-01-02 1440\n") && said.contains("top 5.1 2024-01-03 230\n"),
        "{said}"
    );
}

#[test]
fn records_that_come_later_into_an_exported_time_are_exported_too() {
    let Some(como) = columnar() else { return };
    let folder = stored();
    let export = || run(&como, &folder, &["export", "t", "--to", "lake"]).ok().stderr;
    assert!(export().contains("t: 3,334 rows in 3 files"));
    // The same once more: records of the same times. The days that were complete are left alone.
    Serving::start(binary(), &folder).end();
    assert!(export().contains("t: 908 rows in 1 file"), "the last day, twice 454");
    assert!(export().contains("t: nothing new"));
}

#[test]
fn what_cannot_be_exported_is_said() {
    let Some(como) = columnar() else { return };
    let folder = stored();
    let export = |args: &[&str]| run(&como, &folder, &[&["export", "--to", "lake"], args].concat());
    export(&["tt", "--store", "store"]).refused(2, &["no module `tt`", "known are t, top 5.1"]);
    export(&["--store", "none"]).refused(1, &["there is no store in `none`"]);
    folder.write("lake/module=t/date=2024-01-01/part-0.parquet", "PAR1 this is none PAR1");
    export(&["t", "--store", "store"]).refused(1, &["part-0.parquet"]);
}

#[test]
fn columns_over_http_have_their_media_types() {
    let folder = Folder::new();
    folder.write("como.toml", CONFIG);
    let check = |command: &Path, format: &str, want: (u16, &str), begins: &[u8]| {
        let server = Serving::start(command, &folder);
        let url = format!("{}/t?time=:&wait=no&format={format}", server.url());
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build();
        let mut reply = ureq::Agent::from(agent).get(&url).call().expect("it answers");
        let mime = reply.headers().get("content-type").and_then(|mime| mime.to_str().ok());
        assert_eq!((reply.status().as_u16(), mime.unwrap_or_default()), want, "{format}");
        let body = reply.body_mut().read_to_vec().expect("a body");
        assert!(body.starts_with(begins), "{format}: {body:?}");
    };
    check(binary(), "arrow", (501, "text/plain; charset=utf-8"), b"this como was built without");
    let Some(como) = columnar() else { return };
    check(&como, "arrow", (200, "application/vnd.apache.arrow.stream"), &[0xff; 4]);
    check(&como, "parquet", (200, "application/vnd.apache.parquet"), b"PAR1");
}
