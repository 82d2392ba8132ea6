-- error: the names of the library are changed.
function init() return {} end
function update(pkt, state)
  string.rep = nil
end
function export(state) return { n = 1 } end
