-- dnscache: what its functions give.
local test, dnscache = require("test"), require("dnscache")

-- An answer for www.example.com: an alias first, then two addresses, for 60 and 0 seconds.
local head = "1234 8180 0001 0003 0000 0000 03777777 07 6578616d706c65 03636f6d 00 0001 0001 "
local alias = "c00c 0005 0001 00000e10 0006 0363646e c010 "
local rest = "c02d 0001 0001 0000003c 0004 c0000201 c02d 001c 0001 00000000 0010 "
local answer = text.unhex(head .. alias .. rest .. "20010db8 00000000 00000000 00000009")
local four, six = addr("192.0.2.1"), addr("2001:db8::9")

local t = dnscache.new(4)
test.equal(t:learn(100, answer), 2)
test.equal({ t:name(100, four), t:name(100.5, six), t:len() }, { "www.example.com", "www.example.com", 2 })
test.equal(t:name(159.9, four), "www.example.com")
test.equal({ t:name(160, four) or "over", t:name(101, six) or "over" }, { "over", "over" })
test.equal(t:name(100, addr("192.0.2.2")) or "unknown", "unknown")
test.equal(t:name(100, nil) or "unknown", "unknown")
test.equal({ t:learn(1, nil), t:learn(1, ""), t:learn(1, "GET / HTTP/1.1") }, { 0, 0, 0 })
local question = string.gsub(head, "8180", "0100")
test.equal(t:learn(1, text.unhex(question)), 0, "a question")

-- Half of what is held was learned last.
for n = 1, 9 do
  t:put(200, net.offset(four, n), "host" .. n, 10)
end
test.equal({ t:len() <= 4, t:name(200, net.offset(four, 9)), t:name(100, four) or "gone" }, { true, "host9", "gone" })
t:put(201, net.offset(four, 9), "other", 10)
test.equal(t:name(202, net.offset(four, 9)), "other")
test.fails(function() dnscache.new(1) end, "most must be a number from 2 to 100000")

value = { n = count() }
