-- any: an error in the handler of an error.
function init() return {} end
function update(pkt, state)
  xpcall(error, function() error("again") end)
  error(setmetatable({}, { __tostring = function() error("and again") end }))
end
function export(state) return { n = 1 } end
