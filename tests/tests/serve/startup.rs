//! Starting over a store of very many blocks: what that takes does not grow with them.

use como_tests::Folder;

use super::config;
use super::server::{Server, get};

/// How many there are: a file of some 35 MB.
const BLOCKS: u64 = 300_000;

/// The CPU time that a start may take, in seconds.
#[cfg(target_os = "linux")]
const START_SECONDS: f64 = 2.0;

/// CRC-32 as in zip and Ethernet.
fn crc(table: &[u32; 256], bytes: &[u8]) -> [u8; 4] {
    let step = |sum: u32, byte: &u8| table[((sum ^ u32::from(*byte)) & 255) as usize] ^ (sum >> 8);
    (!bytes.iter().fold(!0, step)).to_le_bytes()
}

fn table() -> [u32; 256] {
    std::array::from_fn(|at| {
        let bit = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
        (0..8).fold(at as u32, bit)
    })
}

/// An archive of one record a second, each in a block of its own, as docs/storage.md describes it.
fn archive(blocks: u64) -> Vec<u8> {
    let table = table();
    let sealed = |mut part: Vec<u8>| {
        part.extend(crc(&table, &part));
        part
    };
    let framed = |mut part: Vec<u8>, json: &str| {
        part.extend((json.len() as u32).to_le_bytes());
        part.extend(json.as_bytes());
        sealed(part)
    };
    let about = format!(
        "{{\"stream\":\"many\",\"module\":\"traffic\",\"filters\":[{{\"seq\":0,\"filter\":\"\"}}],\
         \"sources\":[],\"age_max\":null,\"next_seq\":{blocks},\"reclaimed_blocks\":0,\
         \"reclaimed_bytes\":0,\"removed_until\":null,\"rollup_of\":null}}"
    );
    let schema = "{\"columns\":[{\"name\":\"packets\",\"ty\":\"uint\"}]}";
    let hash = b"packets\0uint\0".iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut all = framed([&b"CoMA"[..], &1u32.to_le_bytes()].concat(), &about);
    all.extend(framed(b"CoMS".to_vec(), schema));
    let mut block_bytes = 0;
    for seq in 0..blocks {
        // One column, the row at the block's own start, an unsigned number that is there: 7.
        let payload = [1, 0, 1, 0, 0, 7];
        let start = (1_700_000_000 + seq) * 1_000_000_000;
        let mut block = b"CoMB\x01\x00\x00\x01\x04\0\0\0\x01\0\0\0".to_vec();
        for number in [hash, 1, seq, start, start, 1_000_000_000] {
            block.extend(number.to_le_bytes());
        }
        block.extend((payload.len() as u32).to_le_bytes());
        block.extend((payload.len() as u32).to_le_bytes());
        block.extend(b"nmany");
        block.extend(payload);
        let block = sealed(block);
        block_bytes += block.len() as u64;
        all.extend(block);
    }
    let counts = [blocks.to_le_bytes(), block_bytes.to_le_bytes()].concat();
    all.extend(sealed([&b"CoME"[..], &counts].concat()));
    all
}

/// The CPU time that a process has used, in seconds.
#[cfg(target_os = "linux")]
fn cpu_seconds(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
    let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace();
    // User and system time, in hundredths.
    let ticks = fields.skip(11).take(2).map(|field| field.parse::<f64>().expect("a number"));
    ticks.sum::<f64>() / 100.0
}

#[test]
fn a_monitor_starts_over_very_many_blocks_as_over_few() {
    let folder = Folder::new();
    folder.write("many.como", archive(BLOCKS));
    folder.como(["store", "import", "many.como", "--store", "store"]).ok();
    folder.write("como.toml", config("gen:packets=1", ""));
    let server = Server::start(&folder);
    #[cfg(target_os = "linux")]
    {
        let took = cpu_seconds(server.id());
        assert!(took < START_SECONDS, "{took} s");
    }
    let last = 1_700_000_000 + BLOCKS - 3;
    let body = get(server.address(), &format!("/many?time={last}:&wait=no")).body;
    assert_eq!(body.lines().filter(|line| line.contains("\"packets\":7")).count(), 3, "{body}");
    assert_eq!(server.end(), 0);
    let rows = folder.como(["store", "ls", "--json"]).ok().ndjson();
    assert!(rows.iter().any(|row| row["stream"] == "many" && row["records"] == BLOCKS), "{rows:?}");
}
