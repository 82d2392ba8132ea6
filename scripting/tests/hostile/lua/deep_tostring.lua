-- error: __tostring within __tostring.
function init() return {} end
function update(pkt, state)
  local function f() return tostring(setmetatable({}, { __tostring = f })) end
  return f()
end
function export(state) return { n = 1 } end
