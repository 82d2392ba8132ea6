-- handshake: what its functions give.
local test, handshake = require("test"), require("handshake")

local SYN, RST, ACK = 2, 4, 16
local c, s = addr("10.0.0.1"), addr("10.0.0.2")
local h = handshake.new(30, 2)
local there = function(ts, port, flags) return h:packet(ts, c, port, s, 80, flags) end
local back = function(ts, port, flags) return h:packet(ts, s, 80, c, port, flags) end

test.equal({ there(1, 1000, SYN) or "none", there(1.5, 1000, SYN) or "none" }, { "none", "none" })
test.equal(there(1.6, 1000, ACK), nil, "nothing was answered yet")
test.equal(back(2, 1000, SYN + ACK), nil)
local opened = there(2.25, 1000, ACK)
test.equal({ opened.client, opened.server, opened.port, opened.opened }, { c, s, 80, true })
test.equal({ opened.server_rtt, opened.client_rtt }, { 1, 0.25 })
test.equal(there(3, 1000, ACK), nil, "once is enough")

there(4, 1001, SYN)
local refused = back(4.5, 1001, RST + ACK)
test.equal({ refused.opened, refused.server_rtt, refused.client_rtt or "none" }, { false, 0.5, "none" })

there(5, 1, SYN)
there(6, 2, SYN)
there(7, 3, SYN)
test.equal(back(8, 3, RST), nil, "there was no room")
test.equal({ h:expired(34), h:expired(35), h:expired(99) }, { 0, 1, 1 })
test.fails(function() handshake.new(0) end, "a positive number of seconds")

value = { n = count() }
