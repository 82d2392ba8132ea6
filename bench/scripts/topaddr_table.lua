-- Top destinations by bytes, in a core table that `update` fills.
filter = "ip"
args   = { n = 20, interval = "5s" }

function init()
  return { hosts = table{ key = { addr = "ip.dst" }, value = { bytes = sum("len"), packets = count() } } }
end

function update(pkt, state)
  state.hosts:add(pkt)
end

function export(state, long, args)
  return state.hosts:top("bytes", args.n)
end
