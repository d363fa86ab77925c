"""Labels that are fractions of a whole: of fields, bands, or the shares of classes."""
