/* Downloads as versions in the registry. */
#ifndef CLI_HUB_REGISTRY_DOWNLOAD_H
#define CLI_HUB_REGISTRY_DOWNLOAD_H

#include "cli/command.h"
#include "hub/repo.h"

/* Records a snapshot of a hub's cache as a version of "owner/name" (of the variant that was asked for), where it lies; the revision
 * becomes its tag. Files that aren't a model (a card alone) are left out, and said with --verbose. */
bn_status registry_record_download(const struct invocation *invocation, const struct hub_repo *repo,
                                   const char *snapshot, bn_error *err);

#endif
