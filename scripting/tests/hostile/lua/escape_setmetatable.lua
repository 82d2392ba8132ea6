-- error: the library gets a metatable.
function init() return {} end
function update(pkt, state)
  setmetatable(math, {})
end
function export(state) return { n = 1 } end
