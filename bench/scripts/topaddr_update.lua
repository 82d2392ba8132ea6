-- Top destinations by bytes, counted by hand: what an `update` costs.
filter = "ip"
args   = { n = 20, interval = "5s" }
schema = { addr = "addr", bytes = "uint" }

function init(args)
  return { bytes = {} }
end

function update(pkt, state)
  local dst = pkt.ip.dst
  state.bytes[dst] = (state.bytes[dst] or 0) + pkt.bytes
end

function export(state, long, args)
  local rows = {}
  for addr, bytes in state.bytes do
    rows[#rows + 1] = { addr = addr, bytes = bytes }
  end
  state.bytes = {}
  table.sort(rows, function(a, b) return a.bytes > b.bytes end)
  return table.move(rows, 1, math.min(args.n, #rows), 1, {})
end
