-- error: the library is changed by rawset.
function init() return {} end
function update(pkt, state)
  rawset(string, "len", 1)
end
function export(state) return { n = 1 } end
