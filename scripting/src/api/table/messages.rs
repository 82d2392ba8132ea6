//! The table, of what is read out of messages, and asked for by the same protocols.

use super::super::Call::{Bytes, Reach};
use super::super::{Entry, dns, http, reach, tls};

/// DNS, HTTP, TLS.
pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        topic: "dns",
        name: "id",
        params: &[("payload", "bytes")],
        returns: "number?",
        doc: "The identifier of a message. Of one with more than four questions it is nil, as all \
            of `dns` is.",
        units: "",
        example: (
            "dns.id(text.unhex(\"1234 0100 0001 0000 0000 0000 03777777 07 6578616d706c65 03636f6d \
                00 0001 0001\"))",
            "4660",
        ),
        since: "0.1",
        call: Bytes(dns::id),
    },
    Entry {
        topic: "dns",
        name: "qname",
        params: &[("payload", "bytes")],
        returns: "text?",
        doc: "The name asked for, in small letters; of several questions that of the first, and of \
            more than four nil.",
        units: "",
        example: (
            "dns.qname(text.unhex(\"1234 0100 0001 0000 0000 0000 03777777 07 6578616d706c65 \
                03636f6d 00 0001 0001\"))",
            "www.example.com",
        ),
        since: "0.1",
        call: Bytes(dns::qname),
    },
    Entry {
        topic: "dns",
        name: "qtype",
        params: &[("payload", "bytes")],
        returns: "number?",
        doc: "The type asked for, by its number: 1 is A, 28 is AAAA; of several questions that of \
            the first, and of more than four nil.",
        units: "",
        example: (
            "dns.qtype(text.unhex(\"1234 0100 0001 0000 0000 0000 03777777 07 6578616d706c65 \
                03636f6d 00 0001 0001\"))",
            "1",
        ),
        since: "0.1",
        call: Bytes(dns::qtype),
    },
    Entry {
        topic: "dns",
        name: "is_response",
        params: &[("payload", "bytes")],
        returns: "bool?",
        doc: "Whether it is an answer; nil where there are more than four questions.",
        units: "",
        example: (
            "dns.is_response(text.unhex(\"1234 0100 0001 0000 0000 0000 03777777 07 6578616d706c65 \
                03636f6d 00 0001 0001\"))",
            "false",
        ),
        since: "0.1",
        call: Bytes(dns::is_response),
    },
    Entry {
        topic: "dns",
        name: "rcode",
        params: &[("payload", "bytes")],
        returns: "number?",
        doc: "The response code: 0 is no error, 3 is no such name; nil where there are more than \
            four questions.",
        units: "",
        example: (
            "dns.rcode(text.unhex(\"1234 0100 0001 0000 0000 0000 03777777 07 6578616d706c65 \
                03636f6d 00 0001 0001\"))",
            "0",
        ),
        since: "0.1",
        call: Bytes(dns::rcode),
    },
    Entry {
        topic: "dns",
        name: "answers",
        params: &[("payload", "bytes")],
        returns: "number?",
        doc: "How many answers the header states, of which the first 64 are looked at; nil where \
            there are more than four questions.",
        units: "",
        example: (
            "dns.answers(text.unhex(\"1234 0100 0001 0000 0000 0000 03777777 07 6578616d706c65 \
                03636f6d 00 0001 0001\"))",
            "0",
        ),
        since: "0.1",
        call: Bytes(dns::answers),
    },
    Entry {
        topic: "dns",
        name: "answer_name",
        params: &[("payload", "bytes"), ("n", "number")],
        returns: "text?",
        doc: "The name that the answer of that number, from 1, is about, in small letters; nil \
            behind the last or the 64th, and where there are more than four questions, as all \
            that is asked of answers.",
        units: "",
        example: (
            "dns.answer_name(text.unhex(\"1234 8180 0001 0001 0000 0000 03777777 07 6578616d706c65 \
                03636f6d 00 0001 0001 c00c 0001 0001 0000003c 0004 c0000201\"), 1)",
            "www.example.com",
        ),
        since: "0.1",
        call: Bytes(dns::answer_name),
    },
    Entry {
        topic: "dns",
        name: "answer_type",
        params: &[("payload", "bytes"), ("n", "number")],
        returns: "number?",
        doc: "The type of an answer, by its number: 1 is A, 5 is CNAME, 28 is AAAA.",
        units: "",
        example: (
            "dns.answer_type(text.unhex(\"1234 8180 0001 0001 0000 0000 03777777 07 6578616d706c65 \
                03636f6d 00 0001 0001 c00c 0001 0001 0000003c 0004 c0000201\"), 1)",
            "1",
        ),
        since: "0.1",
        call: Bytes(dns::answer_type),
    },
    Entry {
        topic: "dns",
        name: "answer_ttl",
        params: &[("payload", "bytes"), ("n", "number")],
        returns: "number?",
        doc: "How long an answer may be kept.",
        units: "seconds",
        example: (
            "dns.answer_ttl(text.unhex(\"1234 8180 0001 0001 0000 0000 03777777 07 6578616d706c65 \
                03636f6d 00 0001 0001 c00c 0001 0001 0000003c 0004 c0000201\"), 1)",
            "60",
        ),
        since: "0.1",
        call: Bytes(dns::answer_ttl),
    },
    Entry {
        topic: "dns",
        name: "answer_addr",
        params: &[("payload", "bytes"), ("n", "number")],
        returns: "address?",
        doc: "The address in an answer of type A or AAAA.",
        units: "",
        example: (
            "dns.answer_addr(text.unhex(\"1234 8180 0001 0001 0000 0000 03777777 07 6578616d706c65 \
                03636f6d 00 0001 0001 c00c 0001 0001 0000003c 0004 c0000201\"), 1)",
            "192.0.2.1",
        ),
        since: "0.1",
        call: Bytes(dns::answer_addr),
    },
    Entry {
        topic: "dns",
        name: "answer_text",
        params: &[("payload", "bytes"), ("n", "number")],
        returns: "text?",
        doc: "The name in an answer of type CNAME, NS or PTR, in small letters.",
        units: "",
        example: (
            "dns.answer_text(text.unhex(\"1234 8180 0001 0001 0000 0000 03777777 07 6578616d706c65 \
                03636f6d 00 0001 0001 c00c 0001 0001 0000003c 0004 c0000201\"), 1)",
            "nil",
        ),
        since: "0.1",
        call: Bytes(dns::answer_text),
    },
    Entry {
        topic: "dns",
        name: "name_of",
        params: &[("addr", "address")],
        returns: "text?",
        doc: "The name of an address, asked of the system's DNS server by a thread beside: nil \
            until the answer is there, and where there is none. Not while packets pass: in `init` \
            or `export`. Needs the grant `dns`.",
        units: "",
        example: ("dns.name_of(\"192.0.2.1\")", "nil"),
        since: "0.1",
        call: Reach(reach::name_of),
    },
    Entry {
        topic: "dns",
        name: "addr_of",
        params: &[("name", "text")],
        returns: "address?",
        doc: "An address of a name, of IPv4 where it has one; asked as by `dns.name_of`. Needs the \
            grant `dns`.",
        units: "",
        example: ("dns.addr_of(\"host.invalid\")", "nil"),
        since: "0.1",
        call: Reach(reach::addr_of),
    },
    Entry {
        topic: "http",
        name: "method",
        params: &[("payload", "bytes")],
        returns: "text?",
        doc: "The method of a request.",
        units: "",
        example: ("http.method(\"GET /a HTTP/1.1\\r\\nHost: example.com\\r\\n\\r\\n\")", "GET"),
        since: "0.1",
        call: Bytes(http::method),
    },
    Entry {
        topic: "http",
        name: "target",
        params: &[("payload", "bytes")],
        returns: "text?",
        doc: "What a request asks for.",
        units: "",
        example: ("http.target(\"GET /a HTTP/1.1\\r\\nHost: example.com\\r\\n\\r\\n\")", "/a"),
        since: "0.1",
        call: Bytes(http::target),
    },
    Entry {
        topic: "http",
        name: "status",
        params: &[("payload", "bytes")],
        returns: "number?",
        doc: "The status code of a response.",
        units: "",
        example: ("http.status(\"HTTP/1.1 404 Not Found\\r\\n\")", "404"),
        since: "0.1",
        call: Bytes(http::status),
    },
    Entry {
        topic: "http",
        name: "header",
        params: &[("payload", "bytes"), ("name", "text")],
        returns: "text?",
        doc: "The value of a header field, by its name without regard to case, among the first 64 \
            fields.",
        units: "",
        example: (
            "http.header(\"GET /a HTTP/1.1\\r\\nHost: example.com\\r\\n\\r\\n\", \"host\")",
            "example.com",
        ),
        since: "0.1",
        call: Bytes(http::header),
    },
    Entry {
        topic: "http",
        name: "fetch",
        params: &[("url", "text")],
        returns: "text?",
        doc: "What is at a URL of plain HTTP, 64 KiB at most, fetched by a thread beside and kept \
            for a minute: nil until it is there, and where the host does not answer with success. \
            Not while packets pass: in `init` or `export`. Needs the grant `http:host`.",
        units: "",
        example: ("http.fetch(\"http://192.0.2.1/list\")", "nil"),
        since: "0.1",
        call: Reach(reach::fetch),
    },
    Entry {
        topic: "tls",
        name: "sni",
        params: &[("payload", "bytes")],
        returns: "text?",
        doc: "The name of the host that a client asks for, where its first message states it.",
        units: "",
        example: (
            "tls.sni(text.unhex(\"16030100410100003d0303000000000000000000000000000000000000000\
             00000000000000000000000000000021301010000120000000e000c000009612e6578616d706c65\"))",
            "a.example",
        ),
        since: "0.1",
        call: Bytes(tls::sni),
    },
];
