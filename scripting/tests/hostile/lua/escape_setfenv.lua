-- error: another environment by setfenv.
function init() return {} end
function update(pkt, state)
  local setfenv = setfenv
  setfenv(1, {})
end
function export(state) return { n = 1 } end
