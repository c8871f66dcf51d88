/* SPDX-License-Identifier: BSD-2-Clause */
#include "command.h"

#include <sysexits.h>

#include "common/log.h"
#include "common/service.h"
#include "smime_settings.h"

int
command_failed(const struct error *err)
{
	log_error("%s", err->text);
	return err->kind == ERROR_TEMP ? EX_TEMPFAIL : EX_DATAERR;
}

bool
command_drop(const struct settings *s)
{
	const struct milter_smime_settings *own = settings_get(s,
	    "milter-smime");
	struct error err = {0};

	if (service_drop(own->user, &err))
		return true;
	log_error("%s", err.text);
	return false;
}
