-- refused: an endless loop while filter is put together.
filter = ""
while true do filter = filter .. " or ip" end
