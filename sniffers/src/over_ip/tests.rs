//! Senders and takers on loopback.

use std::io::Write;

use super::*;

/// A capture of so many packets, one a second.
fn capture(packets: u32) -> Vec<u8> {
    let mut bytes = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 1].map(u32::to_le_bytes).concat();
    for second in 0..packets {
        bytes.extend([second, 0, 60, 60].map(u32::to_le_bytes).concat());
        bytes.extend([0; 60]);
    }
    bytes
}

/// Reads until `enough` packets have come, or the source has ended.
fn read(source: &mut OverIp, enough: usize) -> (usize, Result<Turn, SourceError>, Counts) {
    let (mut packets, mut counts) = (0, Counts::default());
    for _ in 0..1_000 {
        let mut chunk = Chunk::default();
        let turn = source.next(&mut chunk);
        packets += chunk.packets.len();
        counts.add(chunk.counts);
        if packets >= enough || !matches!(turn, Ok(Turn::More | Turn::Idle)) {
            return (packets, turn, counts);
        }
    }
    panic!("{packets} packets and no end");
}

/// A source connected to a sender, and the sender's end.
fn connected(options: &str) -> (OverIp, TcpListener, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let source = OverIp::open(&format!("{address}{options}")).expect("a source");
    let (stream, _) = listener.accept().expect("a connection");
    (source, listener, stream)
}

#[test]
fn a_client_reads_until_the_sender_closes() {
    let (mut source, _, mut stream) = connected("");
    stream.write_all(&capture(9_000)).expect("sent");
    drop(stream);
    let (packets, ended, _) = read(&mut source, usize::MAX);
    assert_eq!((packets, ended.expect("an end")), (9_000, Turn::End));
}

#[test]
fn a_capture_that_breaks_off_is_an_error_to_a_client() {
    let (mut source, _, mut stream) = connected("");
    stream.write_all(&capture(2)[..150]).expect("sent");
    drop(stream);
    let (packets, ended, _) = read(&mut source, usize::MAX);
    assert_eq!(packets, 1);
    let error = ended.expect_err("an error").to_string();
    assert!(error.contains("cut short"), "{error}");
}

#[test]
fn a_client_that_is_told_to_connects_again() {
    let (mut source, listener, mut stream) = connected(",reconnect=true");
    stream.write_all(&capture(3)[..250]).expect("sent");
    drop(stream);
    let sender = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a second connection");
        stream.write_all(&capture(4)).expect("sent");
        stream
    });
    let (packets, _, counts) = read(&mut source, 6);
    assert_eq!((packets, counts.malformed), (2 + 4, 1));
    sender.join().expect("a sender");
}

#[test]
fn a_server_takes_several_senders_and_drops_the_one_that_sends_no_capture() {
    let mut source = OverIp::open("127.0.0.1:0,listen=true").expect("a source");
    let Peer::Listen(listener) = &source.peer else { panic!("it listens") };
    let address = listener.local_addr().expect("an address");
    let mut streams: Vec<_> =
        (0..3).map(|_| TcpStream::connect(address).expect("a connection")).collect();
    streams[0].write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    for stream in &mut streams[1..] {
        stream.write_all(&capture(5_000)).expect("sent");
    }
    let (packets, _, counts) = read(&mut source, 10_000);
    assert_eq!((packets, counts.malformed), (10_000, 1));
    assert_eq!(source.senders.len(), 2, "senders may go on");
}

#[test]
fn who_sends_a_header_and_nothing_more_holds_no_place_for_ever() {
    let mut source = OverIp::open("127.0.0.1:0,listen=true").expect("a source");
    let Peer::Listen(listener) = &source.peer else { panic!("it listens") };
    let address = listener.local_addr().expect("an address");
    let connect = |packets| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(&capture(packets)).expect("sent");
        stream
    };
    let _speaks = connect(1);
    assert_eq!(read(&mut source, 1).0, 1);
    let _silent: Vec<_> = (1..SENDERS_MAX).map(|_| connect(0)).collect();
    let all_begun = |source: &OverIp| source.senders.iter().all(|sender| sender.read_bytes > 0);
    while source.senders.len() < SENDERS_MAX || !all_begun(&source) {
        source.next(&mut Chunk::default()).expect("a turn");
    }
    let _late = connect(5);
    for _ in 0..3 {
        source.next(&mut Chunk::default()).expect("a turn");
    }
    assert_eq!(source.senders.len(), SENDERS_MAX, "nobody was silent for long");
    let then = Instant::now().checked_sub(2 * BEGIN).expect("a clock that ran for a while");
    source.senders.iter_mut().for_each(|sender| sender.heard = then);
    assert_eq!(read(&mut source, 5).0, 5);
    assert!(source.senders.iter().filter(|sender| sender.known).count() == 2);
}

#[test]
fn who_sends_no_capture_is_complained_of_once_a_minute() {
    let mut source = OverIp::open("127.0.0.1:0,listen=true").expect("a source");
    let Peer::Listen(listener) = &source.peer else { panic!("it listens") };
    let address = listener.local_addr().expect("an address");
    let mut scan = || {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
        let mut refused = 0;
        while refused == 0 {
            let mut chunk = Chunk::default();
            source.next(&mut chunk).expect("a turn");
            refused += chunk.counts.malformed;
        }
        source.complained.expect("a complaint")
    };
    let first = scan();
    assert_eq!((scan(), scan()), (first, first), "the others are for who looks closer");
}

#[test]
fn a_packed_stream_is_called_what_it_is_with_what_to_do() {
    for (magic, name, unpack) in [
        (&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 4][..], "gzip", "zcat"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "zstd", "zstdcat"),
        (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz", "xzcat"),
        (&[4, 0x22, 0x4d, 0x18], "lz4", "lz4cat"),
    ] {
        let (mut source, _, mut stream) = connected("");
        stream.write_all(&[magic, &[0; 60]].concat()).expect("sent");
        let error = read(&mut source, usize::MAX).1.expect_err("an error").to_string();
        let want = format!("packed with {name}: send it unpacked, through `{unpack}`");
        assert!(error.ends_with(&want), "{error}");
    }
}

#[test]
fn an_address_that_makes_no_sense_is_refused() {
    let error = |text| OverIp::open(text).err().expect("an error").to_string();
    assert!(error("somewhere").contains("write `HOST:PORT`"));
    assert!(error("127.0.0.1:1,lisen=true").contains("did you mean `listen`?"));
    assert!(error("127.0.0.1:1").contains("cannot connect to `127.0.0.1:1`"));
}
