-- The median length of packets.
local histogram = require("histgram")
local mine = require("lib/hosts")
local up = require("../secret")

function init() return { sizes = histogram.new({ 64, 576, 1500 }) } end
function update(pkt, state) state.sizes:add(pkt.lenn, pkt.packets) end
function export(state) return { median = state.sizes:quantile(0.5) } end
