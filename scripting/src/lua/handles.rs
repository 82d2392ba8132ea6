//! Handles: what stands for an address in a script.
//!
//! One object per address and VM, so that two handles are equal when the
//! addresses are, and any of them can be the key of a table. An object is made
//! when its address is first seen and found by the batch's dense id after; it
//! belongs to the VM's own map, so a handle that a script keeps never comes to
//! mean another address, whatever the ids of later batches mean.

use std::collections::HashMap;
use std::fmt::Display;

use como_core::addr::{Addr, Mac};
use como_core::batch::Batch;
use como_core::community::CommunityId;
use como_core::field::{Code, FieldValue, Kind};
use como_core::hash::TableHash;
use mlua::{Lua, MetaMethod, Table, UserData, UserDataFields, UserDataMethods, UserDataRef};

use super::convert;
use crate::api::net;
use crate::flow::{self, Flow};

/// About how many bytes are held for a handle outside the VM's own memory: what its object points
/// to, and its entry in the map.
pub const HANDLE_BYTES: usize = 160;

/// A value too wide for a number of the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wide {
    /// An IP address.
    Addr(Addr),
    /// A link-layer address.
    Mac(Mac),
    /// A code, which a script sees as text.
    Code(Code),
    /// A Community ID, which a script sees as text.
    CommunityId(CommunityId),
    /// A flow.
    Flow(Flow),
}

impl Wide {
    /// Whether a field's values stand behind handles.
    pub fn has(kind: Kind) -> bool {
        matches!(kind, Kind::Addr | Kind::Mac | Kind::Code | Kind::CommunityId)
    }

    /// The value of such a field.
    pub fn of(value: FieldValue<'_>) -> Option<Self> {
        Some(match value {
            FieldValue::Addr(addr) => Self::Addr(addr),
            FieldValue::Mac(mac) => Self::Mac(mac),
            FieldValue::Code(code) => Self::Code(code),
            FieldValue::CommunityId(id) => Self::CommunityId(id),
            _ => return None,
        })
    }

    /// The IP address that it is, for what is `asked` of it.
    fn addr(self, asked: &str) -> mlua::Result<Addr> {
        match self {
            Self::Addr(addr) => Ok(addr),
            _ => Err(mlua::Error::runtime(format!("{asked}: only an IP address can be asked"))),
        }
    }

    /// Whether it is a string of the VM, equal to others by what it says.
    fn is_text(self) -> bool {
        matches!(self, Self::Code(_) | Self::CommunityId(_))
    }
}

impl std::fmt::Display for Wide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Addr(addr) => addr.fmt(f),
            Self::Mac(mac) => mac.fmt(f),
            Self::Code(code) => code.fmt(f),
            Self::CommunityId(id) => id.fmt(f),
            Self::Flow(flow) => flow.fmt(f),
        }
    }
}

/// All handles of one VM.
pub struct Handles {
    slots: HashMap<Wide, u32, TableHash>,
    // Slot to object. Slot 0 stays empty: it stands for an absent value.
    objects: Table,
    free: Vec<u32>,
    /// Whether slots were given out that a loop has yet to read.
    lent: bool,
    /// Slots by the batch's ids, for source and destination addresses and for flows.
    caches: [Cache; 3],
    len_max: usize,
}

#[derive(Default)]
struct Cache {
    epoch: Option<u64>,
    slots: Vec<u32>,
}

impl Handles {
    /// No handles; at most `len_max` at a time.
    pub fn new(lua: &Lua, len_max: usize) -> mlua::Result<Self> {
        Ok(Self {
            slots: HashMap::with_hasher(como_core::hash::for_tables()),
            objects: lua.create_table()?,
            free: Vec::new(),
            lent: false,
            caches: Default::default(),
            len_max: len_max.clamp(16, u32::MAX as usize - 1),
        })
    }

    /// The table from slots to objects, for the driver.
    pub fn objects(&self) -> &Table {
        &self.objects
    }

    /// About how many bytes are held outside the VM's own memory.
    pub fn bytes(&self) -> usize {
        let caches: usize = self.caches.iter().map(|c| c.slots.capacity() * 4).sum();
        self.slots.len() * HANDLE_BYTES + caches
    }

    /// The object that stands for `wide`.
    pub fn object(&mut self, lua: &Lua, wide: Wide) -> mlua::Result<mlua::Value> {
        if !self.lent && !self.slots.contains_key(&wide) {
            self.reserve(lua, 1)?;
        }
        let slot = self.slot(lua, wide)?;
        self.objects.raw_get(slot)
    }

    /// Slots are given out from now on that a loop reads later, or no more.
    pub fn lend(&mut self, lent: bool) {
        self.lent = lent;
    }

    /// Makes room for `more` new handles, so that none asked for next is taken back meanwhile.
    pub fn reserve(&mut self, lua: &Lua, more: usize) -> mlua::Result<()> {
        if self.slots.len() + more > self.len_max {
            self.sweep(lua)?;
        }
        Ok(())
    }

    /// Forgets the handles no one holds, if there is little room left.
    pub fn tidy(&mut self, lua: &Lua) -> mlua::Result<()> {
        self.reserve(lua, self.len_max / 4)
    }

    /// The slot of the object that stands for `wide`.
    #[inline]
    pub fn slot(&mut self, lua: &Lua, wide: Wide) -> mlua::Result<u32> {
        match self.slots.get(&wide) {
            Some(slot) => Ok(*slot),
            None => self.make(lua, wide),
        }
    }

    #[cold]
    fn make(&mut self, lua: &Lua, wide: Wide) -> mlua::Result<u32> {
        // Never swept here: slots already given out for this batch must keep their meaning.
        if self.slots.len() >= self.len_max {
            return Err(mlua::Error::MemoryError(format!(
                "the script holds more than {} addresses: forget some in export, or declare \
                 `key` and `value`",
                self.len_max
            )));
        }
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32 + 1);
        let object = match wide.is_text() {
            true => lua.create_string(wide.to_string()).map(mlua::Value::String),
            false => match wide {
                Wide::Flow(flow) => lua.create_userdata(flow),
                wide => lua.create_userdata(wide),
            }
            .map(mlua::Value::UserData),
        };
        let made = object.and_then(|object| self.objects.raw_set(slot, object));
        if let Err(error) = made {
            self.free.push(slot);
            return Err(error);
        }
        self.slots.insert(wide, slot);
        Ok(slot)
    }

    /// Turns to the numbering `epoch` of ids of one kind, as [`como_core::field::Id`] counts them.
    pub fn turn(&mut self, which: usize, epoch: u64) {
        let cache = &mut self.caches[which];
        if cache.epoch != Some(epoch) {
            cache.slots.clear();
            cache.epoch = Some(epoch);
        }
    }

    /// The slot of what is numbered `id`, 0 if it was not met yet or has no number.
    #[inline]
    pub fn known(&self, which: usize, id: u32) -> u32 {
        self.caches[which].slots.get(id as usize).copied().unwrap_or(0)
    }

    /// The slot of a value, remembered by its number.
    #[cold]
    pub fn slot_of_id(
        &mut self,
        lua: &Lua,
        which: usize,
        id: u32,
        wide: Wide,
    ) -> mlua::Result<u32> {
        let slot = self.slot(lua, wide)?;
        if id != Batch::NO_ID {
            let slots = &mut self.caches[which].slots;
            if slots.len() <= id as usize {
                slots.resize(id as usize + 1, 0);
            }
            slots[id as usize] = slot;
        }
        Ok(slot)
    }

    /// Forgets the handles that the script does not hold.
    fn sweep(&mut self, lua: &Lua) -> mlua::Result<()> {
        let weak = lua.create_table()?;
        let mode = lua.create_table()?;
        mode.raw_set("__mode", "v")?;
        weak.set_metatable(Some(mode))?;
        for slot in self.slots.values() {
            weak.raw_set(*slot, self.objects.raw_get::<mlua::Value>(*slot)?)?;
        }
        self.caches = Default::default();
        self.objects.clear()?;
        lua.gc_collect()?;
        let (objects, free) = (&self.objects, &mut self.free);
        let mut result = Ok(());
        self.slots.retain(|wide, slot| match weak.raw_get::<mlua::Value>(*slot) {
            // A string is never given up by a weak table, and needs not be the same one again.
            Ok(object) if !object.is_nil() && !wide.is_text() => {
                result = std::mem::replace(&mut result, Ok(()))
                    .and_then(|()| objects.raw_set(*slot, object));
                true
            }
            _ => {
                free.push(*slot);
                false
            }
        });
        result
    }
}

impl UserData for Wide {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field(MetaMethod::Type, "addr");
        fields.add_field_method_get("is_v6", |_, this| {
            Ok(matches!(this, Self::Addr(addr) if addr.is_v6()))
        });
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        compare_and_show(methods, "an address");
        methods.add_method("masked", |lua, this, bits: mlua::Value| {
            let masked = net::masked(this.addr("masked")?, convert::argument(&bits)?);
            object(lua, Self::Addr(masked.map_err(mlua::Error::runtime)?))
        });
        methods.add_method("within", |_, this, network: mlua::Value| {
            let within = net::within(this.addr("within")?, convert::argument(&network)?);
            within.map_err(mlua::Error::runtime)
        });
    }
}

impl UserData for Flow {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field(MetaMethod::Type, flow::NAME);
        for (at, name) in flow::PARTS.into_iter().enumerate() {
            fields.add_field_method_get(name, move |lua, this| part(lua, *this, at));
        }
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        compare_and_show(methods, "a flow");
    }
}

/// What all objects can do: be ordered, shown, and put behind each other as text. `what` one is
/// has nothing else.
fn compare_and_show<T: Ord + Display + 'static, M: UserDataMethods<T>>(
    methods: &mut M,
    what: &'static str,
) {
    methods.add_meta_method(MetaMethod::Index, move |_, _, name: mlua::Value| {
        let name = name.to_string()?;
        Err::<(), _>(mlua::Error::runtime(format!("{what} has no `{}`", name.escape_debug())))
    });
    methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.to_string()));
    methods.add_meta_function(MetaMethod::Concat, |lua, (a, b): (mlua::Value, mlua::Value)| {
        lua.create_string([a.to_string()?, b.to_string()?].concat())
    });
    methods.add_meta_method(MetaMethod::Lt, |_, this, other: UserDataRef<T>| Ok(*this < *other));
    methods.add_meta_method(MetaMethod::Le, |_, this, other: UserDataRef<T>| Ok(*this <= *other));
}

/// One of the five values of a flow.
fn part(lua: &Lua, flow: Flow, at: usize) -> mlua::Result<mlua::Value> {
    let number = |x: u16| Ok(mlua::Value::Number(f64::from(x)));
    match at {
        0 => object(lua, Wide::Addr(flow.src)),
        1 => object(lua, Wide::Addr(flow.dst)),
        2 => number(flow.proto.into()),
        3 => number(flow.sport),
        _ => number(flow.dport),
    }
}

/// The object that stands for `wide` in the VM that runs.
pub fn object(lua: &Lua, wide: Wide) -> mlua::Result<mlua::Value> {
    let mut handles = lua
        .app_data_mut::<Handles>()
        .ok_or_else(|| mlua::Error::runtime("addresses are not to be had here"))?;
    handles.object(lua, wide)
}

/// What the text of a literal stands for: an IP address or a link-layer address.
pub fn parse(text: &str) -> mlua::Result<Wide> {
    let addr = text.trim().parse::<Addr>().map(Wide::Addr);
    addr.or_else(|_| text.trim().parse::<Mac>().map(Wide::Mac)).map_err(|_| {
        mlua::Error::runtime(format!(
            "`{}` is no address: write one like 10.0.0.1, 2001:db8::1 or 00:1b:21:0a:0b:0c",
            text.escape_debug()
        ))
    })
}
