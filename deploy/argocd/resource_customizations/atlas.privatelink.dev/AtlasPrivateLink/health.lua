-- The same for both kinds. Degraded is only what a person must mend: it fails a sync with waves at once, so whatever
-- goes on by itself, or waits for somebody's next step, is Progressing.
local function condition(kind)
  if obj.status ~= nil and obj.status.conditions ~= nil then
    for _, found in ipairs(obj.status.conditions) do
      if found.type == kind then
        return found
      end
    end
  end
  return nil
end

local function health(status, about, otherwise)
  if about == nil then
    return {status = status, message = otherwise}
  end
  return {status = status, message = about.reason .. ": " .. about.message}
end

local ready = condition("Ready")

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", ready, "Being deleted")
end
-- What status says of an older generation says nothing of this one: a `suspend` that the operator has not seen yet does not
-- hold it back yet.
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "Waiting for the operator to see this generation"}
end
if obj.spec ~= nil and obj.spec.suspend == true then
  return {status = "Suspended", message = "spec.suspend is true: nothing is written to Atlas"}
end

local stalled = condition("Stalled")
if stalled ~= nil and stalled.status == "True" then
  return health("Degraded", stalled)
end
if ready ~= nil and ready.status == "True" then
  return health("Healthy", ready)
end
return health("Progressing", ready, "Waiting for the operator")
