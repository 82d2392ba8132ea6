--- What is done with libraries.

local ours = ...

--- Makes a table and all tables in it readonly: what a library returns is nobody's to change.
function ours.freeze(t)
  local open, seen = { t }, { [t] = true }
  while #open > 0 do
    local one = table.remove(open)
    for _, value in next, one do
      if type(value) == "table" and not seen[value] then
        seen[value] = true
        table.insert(open, value)
      end
    end
    if not table.isfrozen(one) then
      table.freeze(one)
    end
  end
end
