-- error: the metatable of texts is changed.
function init() return {} end
function update(pkt, state)
  getmetatable("").__index = {}
end
function export(state) return { n = 1 } end
