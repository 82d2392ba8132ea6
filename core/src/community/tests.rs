//! Community IDs of the specification's own examples, and of packets.

use super::*;

#[track_caller]
fn check(src: &str, dst: &str, proto: u8, ends: Ends, want: &str) {
    let addr = |text: &str| text.parse().expect("an address");
    let id = CommunityId::of(addr(src), addr(dst), proto, ends);
    assert_eq!(id.to_string(), want);
    assert_eq!(want.parse(), Ok(id));
}

#[test]
fn both_directions_of_a_flow_have_one() {
    let (a, b) = ("128.232.110.120", "66.35.250.204");
    let want = "1:LQU9qZlK+B5F3KDmev6m5PMibrg=";
    check(a, b, 6, Ends::Ports(34855, 80), want);
    check(b, a, 6, Ends::Ports(80, 34855), want);
    check("192.168.1.52", "8.8.8.8", 17, Ends::Ports(54585, 53), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
    check(
        "192.168.170.8",
        "192.168.170.56",
        132,
        Ends::Ports(7, 80),
        "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ=",
    );
}

#[test]
fn a_question_and_its_answer_have_one_and_other_messages_one_a_direction() {
    let (a, b) = ("192.168.0.89", "192.168.0.1");
    let want = "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=";
    check(a, b, 1, Ends::Message(8, 0), want);
    check(b, a, 1, Ends::Message(0, 0), want);
    check(
        "fe80::200:86ff:fe05:80da",
        "fe80::260:97ff:fe07:69ea",
        58,
        Ends::Message(135, 0),
        "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=",
    );
    let of = |src: &str, dst: &str| {
        let addr = |text: &str| text.parse().expect("an address");
        CommunityId::of(addr(src), addr(dst), 1, Ends::Message(3, 1))
    };
    assert_ne!(of(a, b), of(b, a));
}

#[test]
fn other_texts_are_refused() {
    for text in
        ["", "1:", "2:LQU9qZlK+B5F3KDmev6m5PMibrg=", "1:LQU9qZlK+B5F3KDmev6m5PMibrgx", "1:x"]
    {
        assert_eq!(text.parse::<CommunityId>(), Err(CommunityIdError), "{text}");
    }
}
