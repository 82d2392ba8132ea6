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
  for _, entry in top(state.bytes, args.n) do
    table.insert(rows, { addr = entry.key, bytes = entry.value })
  end
  return rows
end
