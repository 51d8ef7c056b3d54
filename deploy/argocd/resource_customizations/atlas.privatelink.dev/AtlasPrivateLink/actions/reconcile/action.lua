-- Any new value asks for a look now, and forgets failed attempts. The object's own version is new each time.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["atlas.privatelink.dev/reconcile-requested-at"] = "argocd-" .. obj.metadata.resourceVersion
return obj
