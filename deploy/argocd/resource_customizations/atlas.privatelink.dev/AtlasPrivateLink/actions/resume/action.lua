-- Away, not false: in Git the field is absent, and a false would be a difference that self-heal sees.
obj.spec.suspend = nil
return obj
