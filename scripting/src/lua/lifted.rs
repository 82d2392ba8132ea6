//! A script's state, brought up to date with what was added up for it natively ([`crate::lift`]).

use std::fmt::Write;
use std::ops::Range;

use como_core::addr::Addr;
use como_core::batch::Batch;
use como_core::field::{Field, Id};
use como_core::module::Limits;
use como_core::record::Value;
use mlua::{Buffer, Function, Lua, MultiValue, Table};

use super::feed::number;
use super::handles::{Handles, Wide};
use super::tables::{Shared, View};
use super::vm::{Trouble, Vm};
use crate::declare::Callback;
use crate::flow::Flow;
use crate::lift::{self, Amount, By, Cond, Fresh, Group, Hop, Key, Lifted, Sum, Target};

/// What of a script's packet callbacks runs without its virtual machine.
#[derive(Default)]
pub struct Lifts {
    /// `update`.
    pub update: Option<Lifted>,
    /// `check`.
    pub check: Option<Cond>,
    /// What puts its sums into the state.
    pub settler: Option<Settler>,
    /// The tables that `update` counts into, if the state of the open interval is as that takes it
    /// to be.
    pub fits: Option<Vec<Shared>>,
}

impl Lifts {
    /// Looks through the source of a script that has these callbacks.
    pub fn of(source: &str, has: impl Fn(Callback) -> bool, limits: &Limits) -> Self {
        let check = lift::parse::check(source).filter(|_| has(Callback::Check));
        // A `check` that runs may look at the state, which must be up to date then.
        let update = (check.is_some() || !has(Callback::Check)) && has(Callback::Update);
        let update = update.then(|| lift::parse::update(source)).flatten();
        let update = update.and_then(|program| Lifted::new(program, limits));
        Self { update, check, settler: None, fits: None }
    }

    /// Whether a script that has these callbacks may look at packets one by one: in all that is not
    /// surely only adding up what they stand for.
    pub fn looks_singly(&self, has: impl Fn(Callback) -> bool) -> bool {
        let counts = self.update.as_ref().is_none_or(Lifted::counts_singly);
        has(Callback::Update) && counts || has(Callback::Check) && self.check.is_none()
    }
}

/// Whether a fresh state is what the lifted program takes it for: plain tables, empty where they
/// are indexed by a key, numbers where it adds to one, and core tables where it counts packets,
/// which are returned.
pub fn fits(state: &mlua::Value, lifted: &Lifted) -> Option<Vec<Shared>> {
    let tables: Option<Vec<Shared>> =
        lifted.tables().iter().map(|path| core_table(state, path)).collect();
    tables.filter(|_| lifted.groups().is_empty() || adds_up(state, lifted))
}

/// The core table that names lead to.
fn core_table(state: &mlua::Value, path: &[String]) -> Option<Shared> {
    let mut value = state.clone();
    for name in path {
        let mlua::Value::Table(table) = &value else { return None };
        value = is_plain(table).then(|| table.raw_get(name.as_str()).ok()).flatten()?;
    }
    let mlua::Value::UserData(object) = &value else { return None };
    object.borrow::<View>().ok()?.made().cloned()
}

fn adds_up(state: &mlua::Value, lifted: &Lifted) -> bool {
    let mlua::Value::Table(state) = state else { return false };
    lifted.groups().iter().flat_map(|group| &group.targets).all(|target| {
        let mut table = state.clone();
        for (at, hop) in target.path.iter().enumerate() {
            if !is_plain(&table) {
                return false;
            }
            let By::Name(name) = &hop.by else { return table.raw_len() == 0 && table.is_empty() };
            match table.raw_get(name.as_str()) {
                Ok(mlua::Value::Table(inner)) => table = inner,
                Ok(mlua::Value::Number(_) | mlua::Value::Integer(_)) => {
                    return at + 1 == target.path.len();
                }
                _ => return false,
            }
        }
        false
    })
}

fn is_plain(table: &Table) -> bool {
    table.metatable().is_none() && !table.is_readonly()
}

/// Rows that are put into the state by one call.
const CHUNK: usize = 1024;
/// More local variables than this are not asked of a function: Luau allows 200.
const LOCALS_MAX: usize = 120;

/// Puts what was added up into the state, by functions written for the program.
pub struct Settler {
    groups: Vec<Putter>,
    stage: Vec<u8>,
    ids: Vec<u32>,
}

/// The function of one group, and the buffers it reads: its fields, packets, bytes, times.
struct Putter {
    fields: Vec<Field>,
    /// Whether the flow comes as one value, before the fields.
    flow: bool,
    /// Which of packets, bytes and times are read.
    sums: [bool; 4],
    buffers: Vec<Buffer>,
    put: Function,
}

impl Settler {
    /// For a program; nothing where it is too large.
    pub fn new(lua: &Lua, lifted: &Lifted) -> mlua::Result<Option<Self>> {
        let mut groups = Vec::new();
        for group in lifted.groups() {
            let fields: Vec<Field> = group.fields.iter().copied().collect();
            let keys = group.targets.iter().flat_map(|target| &target.path).flat_map(keys);
            let flow = keys.into_iter().any(Key::has_flow);
            let Some(code) = code(group, &fields, flow) else { return Ok(None) };
            let count = usize::from(flow) + fields.len() + 4;
            let rows = if fields.is_empty() { 1 } else { CHUNK };
            let buffers = (0..count).map(|_| lua.create_buffer_with_capacity(8 * rows));
            let buffers = buffers.collect::<mlua::Result<Vec<_>>>()?;
            let objects = lua.app_data_ref::<Handles>().map(|handles| handles.objects().clone());
            let make: Function = lua.load(code).set_name("=library").into_function()?;
            let given = buffers.iter().map(|buffer| mlua::Value::Buffer(buffer.clone()));
            let objects = objects.map_or(mlua::Value::Nil, mlua::Value::Table);
            let put = make.call(MultiValue::from_iter(std::iter::once(objects).chain(given)))?;
            groups.push(Putter { fields, flow, sums: group.sums(), buffers, put });
        }
        Ok(Some(Self { groups, stage: Vec::new(), ids: Vec::new() }))
    }

    /// Adds what is pending to the state.
    pub fn settle(
        &mut self,
        vm: &Vm,
        lifted: &mut Lifted,
        state: &mlua::Value,
    ) -> Result<(), Trouble> {
        lifted.settle(|at, sum| match (self.groups.get(at), sum) {
            (None, _) => Ok(()),
            (Some(group), Sum::One(packets, bytes)) => {
                group.write(0, [packets as f64].into_iter(), &mut self.stage);
                group.write(1, [bytes as f64].into_iter(), &mut self.stage);
                vm.call(|| group.put.call::<()>((state, 1)))
            }
            (Some(group), Sum::Keyed(table)) => {
                let overflowed = || mlua::Error::MemoryError(String::new());
                if (0..table.rows()).any(|row| table.is_other(row)) {
                    return Err(vm.trouble(overflowed(), false));
                }
                let ids = Ids { kind: table.row_ids(&mut self.ids), rows: &self.ids };
                for from in (0..table.rows()).step_by(CHUNK) {
                    let rows = from..(from + CHUNK).min(table.rows());
                    let stage = &mut self.stage;
                    let filled = vm.with_handles(|lua, handles| {
                        group.fill(lua, handles, (table, ids), rows.clone(), stage)
                    });
                    filled.unwrap_or(Ok(())).map_err(|error| vm.trouble(error, false))?;
                    vm.call(|| group.put.call::<()>((state, rows.len())))?;
                }
                Ok(())
            }
        })
    }
}

/// The dense ids that rows were found by, where that is so: what they number, in which epoch, and
/// the id of each row.
#[derive(Clone, Copy)]
struct Ids<'a> {
    kind: Option<(Id, u64)>,
    rows: &'a [u32],
}

impl Ids<'_> {
    /// Whether rows were found by `id`; its handles are about to be asked for then.
    fn are(self, id: Id, handles: &mut Handles) -> bool {
        let Some((_, epoch)) = self.kind.filter(|(kind, _)| *kind == id) else { return false };
        handles.turn(id as usize, epoch);
        true
    }

    /// The slot of what `id` numbers in a row: found by its number where it has been met before.
    #[inline]
    fn slot(
        self,
        (lua, handles): (&Lua, &mut Handles),
        id: Id,
        row: usize,
        wide: impl FnOnce() -> Wide,
    ) -> mlua::Result<u32> {
        let number = self.rows.get(row).copied().unwrap_or(Batch::NO_ID);
        match handles.known(id as usize, number) {
            0 => handles.slot_of_id(lua, id as usize, number, wide()),
            slot => Ok(slot),
        }
    }
}

impl Putter {
    /// Fills the buffers with some rows of the table.
    fn fill(
        &self,
        lua: &Lua,
        handles: &mut Handles,
        (table, ids): (&como_core::table::Table, Ids<'_>),
        rows: Range<usize>,
        stage: &mut Vec<u8>,
    ) -> mlua::Result<()> {
        let wide = self.fields.iter().filter(|f| Wide::has(f.kind())).count();
        handles.reserve(lua, (wide + usize::from(self.flow)) * rows.len())?;
        handles.lend(true);
        if let Some(buffer) = self.buffers.first().filter(|_| self.flow) {
            stage.clear();
            let numbered = ids.are(Id::Flow, handles);
            for row in rows.clone() {
                let flow = || Wide::Flow(self.flow_of(table, row));
                let slot = match numbered {
                    true => ids.slot((lua, handles), Id::Flow, row, flow)?,
                    false => handles.slot(lua, flow())?,
                };
                stage.extend_from_slice(&f64::from(slot).to_le_bytes());
            }
            buffer.write_bytes(0, stage);
        }
        let buffers = self.buffers.iter().skip(usize::from(self.flow));
        for (column, (field, buffer)) in self.fields.iter().zip(buffers).enumerate() {
            stage.clear();
            let sides = [(Field::IpSrc, Id::Src), (Field::IpDst, Id::Dst)];
            let side = sides.into_iter().find(|(side, id)| side == field && ids.are(*id, handles));
            for row in rows.clone() {
                let number = match (side, table.value(row, column)) {
                    (Some((_, id)), Value::Addr(x)) => {
                        f64::from(ids.slot((lua, handles), id, row, || Wide::Addr(x))?)
                    }
                    (None, Value::Addr(x)) => f64::from(handles.slot(lua, Wide::Addr(x))?),
                    (_, Value::Mac(x)) => f64::from(handles.slot(lua, Wide::Mac(x))?),
                    (_, Value::Uint(x)) => x as f64,
                    _ => f64::NAN,
                };
                stage.extend_from_slice(&number.to_le_bytes());
            }
            buffer.write_bytes(0, stage);
        }
        let columns = table.schema().columns.len();
        for (at, column) in (self.fields.len()..columns).enumerate() {
            if !self.sums.get(at).is_some_and(|is_read| *is_read) {
                continue;
            }
            let number = |row| match table.value(row, column) {
                Value::Uint(x) => x as f64,
                Value::Time(x) => number(Field::Ts, x.0),
                _ => 0.0,
            };
            self.write(at, rows.clone().map(number), stage);
        }
        Ok(())
    }

    /// Writes numbers behind the fields: packets, bytes, first and last time.
    fn write(&self, at: usize, values: impl Iterator<Item = f64>, stage: &mut Vec<u8>) {
        stage.clear();
        values.for_each(|value| stage.extend_from_slice(&value.to_le_bytes()));
        if let Some(buffer) = self.buffers.get(usize::from(self.flow) + self.fields.len() + at) {
            buffer.write_bytes(0, stage);
        }
    }

    fn flow_of(&self, table: &como_core::table::Table, row: usize) -> Flow {
        let value = |field| match self.fields.iter().position(|known| *known == field) {
            Some(column) => table.value(row, column),
            None => Value::Null,
        };
        let addr = |field| match value(field) {
            Value::Addr(addr) => addr,
            _ => Addr::default(),
        };
        let number =
            |field| value(field).as_uint().and_then(|x| u16::try_from(x).ok()).unwrap_or(0);
        Flow {
            src: addr(Field::IpSrc),
            dst: addr(Field::IpDst),
            proto: number(Field::IpProto) as u8,
            sport: number(Field::Sport),
            dport: number(Field::Dport),
        }
    }
}

/// The keys in a hop: what it goes by, and what is in a table that it makes.
fn keys(hop: &Hop) -> Vec<&Key> {
    let fresh = hop.made.iter().flatten().filter_map(|(_, fresh)| match fresh {
        Fresh::Key(key) => Some(key),
        _ => None,
    });
    let by = if let By::Key(key) = &hop.by { Some(key) } else { None };
    by.into_iter().chain(fresh).collect()
}

/// The text of a function that puts rows of a group into the state, given the buffers.
fn code(group: &Group, fields: &[Field], flow: bool) -> Option<String> {
    let mut writer = Writer { text: String::new(), known: Vec::new() };
    let wide = |at: usize| format!("H[f64(b{at}, i * 8)]");
    let mut given = String::from("local H");
    let first = usize::from(flow);
    for at in 0..first + fields.len() + 4 {
        let _ = write!(given, ", b{at}");
    }
    let mut head = format!("{given} = ...\nlocal f64, tostring = buffer.readf64, tostring\n");
    head.push_str("return function(state, n)\nfor i = 0, n - 1 do\n");
    if flow {
        let _ = writeln!(head, "local flow = {}", wide(0));
    }
    for (at, field) in fields.iter().enumerate() {
        let at = at + first;
        let value = if Wide::has(field.kind()) { wide(at) } else { format!("f64(b{at}, i * 8)") };
        let _ = writeln!(head, "local k{at} = {value}");
    }
    let name = |field: Option<Field>| match field {
        None => "flow".to_owned(),
        Some(field) => {
            let at = fields.iter().position(|known| *known == field).unwrap_or(0);
            format!("k{}", at + first)
        }
    };
    let sums = ["p", "b", "first", "last"].into_iter().zip(group.sums());
    for (at, (sum, is_read)) in sums.enumerate() {
        if is_read {
            let _ = writeln!(head, "local {sum} = f64(b{}, i * 8)", first + fields.len() + at);
        }
    }
    for target in &group.targets {
        writer.target(target, &name);
    }
    let fits = writer.known.len() + fields.len() + 8 <= LOCALS_MAX;
    fits.then(|| format!("{head}{}end\nend", writer.text))
}

/// Writes what is done with one row.
struct Writer<'a> {
    text: String,
    /// Paths that lead to tables which variables hold already, in order.
    known: Vec<&'a [Hop]>,
}

impl<'a> Writer<'a> {
    fn target(&mut self, target: &'a Target, name: &dyn Fn(Option<Field>) -> String) {
        let amount = match target.amount {
            Amount::Packets => "p".to_owned(),
            Amount::Bytes | Amount::Len => "b".to_owned(),
            Amount::Times(n) => format!("p * {n}"),
            Amount::LastTs => "last".to_owned(),
            Amount::Nothing => {
                self.table(&target.path, name);
                return;
            }
        };
        let Some((end, way)) = target.path.split_last() else { return };
        let table = self.table(way, name);
        let place = format!("{table}[{}]", by(&end.by, name));
        let _ = match target.amount {
            Amount::LastTs => writeln!(self.text, "{place} = {amount}"),
            // Only what is found by a key may be missing.
            _ => match end.by {
                By::Key(_) => writeln!(self.text, "{place} = ({place} or 0) + {amount}"),
                By::Name(_) => writeln!(self.text, "{place} += {amount}"),
            },
        };
    }

    /// The variable that holds the table at the end of a path.
    fn table(&mut self, path: &'a [Hop], name: &dyn Fn(Option<Field>) -> String) -> String {
        let Some((hop, way)) = path.split_last() else { return "state".to_owned() };
        if let Some(at) = self.known.iter().position(|known| *known == path) {
            return format!("t{at}");
        }
        let before = self.table(way, name);
        let place = format!("{before}[{}]", by(&hop.by, name));
        let table = format!("t{}", self.known.len());
        self.known.push(path);
        let _ = writeln!(self.text, "local {table} = {place}");
        if let Some(fresh) = &hop.made {
            let field = |(column, fresh): &(String, Fresh)| match fresh {
                Fresh::Number(x) => format!("{column} = {x}"),
                Fresh::Ts => format!("{column} = first"),
                Fresh::Key(key) => format!("{column} = {}", key.code(name)),
            };
            let fields: Vec<String> = fresh.iter().map(field).collect();
            let _ = writeln!(
                self.text,
                "if {table} == nil then {table} = {{ {} }} {place} = {table} end",
                fields.join(", ")
            );
        }
        table
    }
}

fn by(by: &By, name: &dyn Fn(Option<Field>) -> String) -> String {
    match by {
        By::Name(name) => format!("\"{name}\""),
        By::Key(key) => key.code(name),
    }
}
