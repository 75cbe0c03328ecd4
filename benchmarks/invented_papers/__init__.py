"""Invented mail of an office, whose papers tell what the mail is about: raw messages with real files, and labels.

    phrases/*.toml           what people write, four languages, six kinds; each list is cut in two, by the seed
    phrase_lists             the lists of one language and one part
    parties, contents        who writes, and what stands in one paper           -> PaperText
    pdf_pages, layouts       a PDF of it, in one of eight layouts
    office_files, e_invoices docx, odt, xlsx, rtf, txt; UBL, CII and the PDF that carries CII
    bodies, envelopes        what stands in the mail itself, and its MIME
    mails                    the whole set                                      -> [LabelledMail]

`python -m benchmarks.invented_papers --out FOLDER` writes the set as files.
"""
