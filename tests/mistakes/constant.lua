-- Keeps what it saw where it must not.
args = { n = 1 }
seen = 0

function update(pkt, state)
  seen = seen + pkt.packets
  args.n = args.n + 1
end

function export(state) return { n = args.n } end
