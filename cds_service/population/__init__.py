"""The same rules over a whole hospital: how often would this fire here, and on what?"""
