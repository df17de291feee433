"""How configuration is read and modules are found, inside one process."""
